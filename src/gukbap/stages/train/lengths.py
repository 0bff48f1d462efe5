"""Conversations over the length limit: dropped, split at a turn, or cut at a sentence's end."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from gukbap.schemas import Message

#: After a sentence: its closing mark with the quotes and brackets behind it, or a line's end. A mark
#: counts only before white space, so that 3.14 and example.com stay whole.
_SENTENCE_END = re.compile(r"""[.!?…。！？]+["'”’」』)\]]*(?=\s)|(?<=\S)(?=\s*\n)""")


class Part(NamedTuple):
    """A conversation to be trained, and whether its last answer was cut before its end."""

    messages: list[Message]
    cut: bool = False


def split_at_turns(messages: Sequence[Message], fits: Callable[[Part], bool]) -> list[Part]:
    """Conversations of whole turns that fit, each as long as possible, in the order of the turns.

    System text in front stands in front of each. A turn that does not fit even alone is left out.
    As FastChat splits long conversations (fastchat/data/split_long_conversation.py): what a later part
    refers to may stand in an earlier one.
    """
    opening, turns = _turns(messages)
    parts: list[Part] = []
    held: list[Message] = []
    for turn in turns:
        if held and fits(Part([*opening, *held, *turn])):
            held += turn
            continue
        if held:
            parts.append(Part([*opening, *held]))
        held = list(turn) if fits(Part([*opening, *turn])) else []
    if held:
        parts.append(Part([*opening, *held]))
    return parts


def truncate_at_sentence(messages: Sequence[Message], fits: Callable[[Part], bool]) -> list[Part]:
    """The whole turns that fit from the beginning, and of the next answer as many sentences as fit.

    None where not even the first question and one sentence of its answer fit.
    """
    opening, turns = _turns(messages)
    held: list[Message] = list(opening)
    for turn in turns:
        if fits(Part([*held, *turn])):
            held += turn
            continue
        *question, answer = turn
        if cut := _longest_cut([*held, *question], answer, fits):
            return [cut]
        break
    return [Part(held)] if len(held) > len(opening) else []


def _longest_cut(before: list[Message], answer: Message, fits: Callable[[Part], bool]) -> Part | None:
    text = answer.content.strip()
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    parts = [Part([*before, answer.model_copy(update={"content": text[:end]})], cut=True) for end in ends]
    # More text never has fewer tokens, but for the few that merge at the cut: bisect, then check.
    low, high = 0, len(parts)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if fits(parts[middle]) else (low, middle)
    return parts[low - 1] if low else None


def _turns(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    """System text in front, and turns: a question (with system text of its own, if any) and its answer."""
    first = next((n for n, message in enumerate(messages) if message.role != "system"), len(messages))
    turns: list[list[Message]] = []
    open_turn: list[Message] = []
    for message in messages[first:]:
        open_turn.append(message)
        if message.role == "assistant":
            turns.append(open_turn)
            open_turn = []
    return list(messages[:first]), turns
