"""Rows to token ids with a mask of what is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gukbap.chat_templates import ChatTemplate, TokenizerLike, encode_segments
from gukbap.errors import InputError
from gukbap.schemas import Row


@dataclass(frozen=True)
class Example:
    """One conversation: token ids, and for each whether it is trained (answers and end tokens)."""

    ids: list[int]
    trained: list[bool]


@dataclass(frozen=True)
class EncodedRows:
    """Examples in the rows' order, and how many rows were dropped, by reason."""

    examples: list[Example]
    dropped: dict[str, int]

    @property
    def tokens(self) -> int:
        """All tokens of the examples."""
        return sum(len(example.ids) for example in self.examples)

    @property
    def trained_tokens(self) -> int:
        """The tokens that the loss is taken over."""
        return sum(sum(example.trained) for example in self.examples)


def encode_rows(
    rows: Sequence[Row], tokenizer: TokenizerLike, template: ChatTemplate, max_length: int, kind: str
) -> EncodedRows:
    """Tokenise rows; those that cannot be trained whole are dropped and counted.

    A row over `max_length` tokens is dropped, not cut: a cut answer would teach answers without an
    end, and a row whose question is cut would teach answers to nothing.

    Raises:
        InputError: no row is left (`kind` names the rows in the message).
        ConfigError: the tokenizer lacks a special token of the template.
    """
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    for row in rows:
        found = _encode(row, tokenizer, template, max_length)
        if isinstance(found, str):
            dropped[found] += 1
        else:
            examples.append(found)
    if not examples:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in dropped.items()) or "none was given"
        raise InputError(
            f"no {kind} row is left of {len(rows)} ({reasons})",
            expected=f"at least one row of at most {max_length} tokens with an answer",
            fix="raise student.max_length, or look at the rows",
        )
    return EncodedRows(examples, dict(dropped))


def _encode(row: Row, tokenizer: TokenizerLike, template: ChatTemplate, max_length: int) -> Example | str:
    if not all(message.content.strip() for message in row.messages if message.role == "assistant"):
        return "empty answer"
    try:
        segments = encode_segments(tokenizer, template, row.messages)
    except InputError:
        return "roles out of order"
    ids = [token for segment in segments for token in segment.ids]
    # The first token has nothing before it to be predicted from.
    trained = [segment.trained for segment in segments for _ in segment.ids]
    if len(ids) > max_length:
        return "over max_length"
    return Example(ids, [False, *trained[1:]])
