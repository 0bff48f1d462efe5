"""Rows to token ids with a mask of what is trained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from gukbap.chat_templates import ChatTemplate, TokenizerLike, encode_segments
from gukbap.config import OverLength
from gukbap.errors import InputError
from gukbap.schemas import Message, Row
from gukbap.stages.train.lengths import Part, split_at_turns, truncate_at_sentence


@dataclass(frozen=True)
class Example:
    """One conversation: token ids, and for each whether it is trained (answers and end tokens).

    `row_id`, `category` and `messages` say where it comes from: the row, and as much of it as is in the ids.
    """

    ids: list[int]
    trained: list[bool]
    row_id: str = ""
    category: str = ""
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True)
class EncodedRows:
    """Examples in the order of their `rows`, how many rows were dropped, by reason, and how many were
    too long, by what became of them (`parts`: the examples that split rows became)."""

    rows: int
    examples: list[Example]
    dropped: dict[str, int]
    over_length: dict[str, int] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """All tokens of the examples."""
        return sum(len(example.ids) for example in self.examples)

    @property
    def trained_tokens(self) -> int:
        """The tokens that the loss is taken over."""
        return sum(sum(example.trained) for example in self.examples)


def encode_rows(
    rows: Sequence[Row],
    tokenizer: TokenizerLike,
    template: ChatTemplate,
    max_length: int,
    kind: str,
    over_length: OverLength = "drop",
) -> EncodedRows:
    """Tokenise rows; those that cannot be trained are dropped and counted.

    A row over `max_length` tokens is dropped, split into conversations of whole turns, or truncated at
    the end of a sentence of an answer. The end token is not trained after a truncated answer: its
    writer went on there, so the label would be false and teach answers without an end of their own.

    Raises:
        InputError: no row is left (`kind` names the rows in the message).
        ConfigError: the tokenizer lacks a special token of the template.
    """
    examples: list[Example] = []
    dropped: Counter[str] = Counter()
    long: Counter[str] = Counter()
    for row in rows:
        try:
            found = _encode(row, tokenizer, template)
            if len(found.ids) <= max_length:
                examples.append(found)
                continue
            parts = _shortened(row, tokenizer, template, max_length, over_length)
            long.update(_outcome(over_length, len(parts)))
            if not parts:
                raise _UntrainableError("over max_length")
            examples += parts
        except _UntrainableError as reason:
            dropped[str(reason)] += 1
    if not examples:
        reasons = ", ".join(f"{count} × {reason}" for reason, count in dropped.items()) or "none was given"
        raise InputError(
            f"no {kind} row is left of {len(rows)} ({reasons})",
            expected=f"at least one row of at most {max_length} tokens with an answer",
            fix="raise student.max_length, or look at the rows",
        )
    return EncodedRows(len(rows) - dropped.total(), examples, dict(dropped), dict(long))


class _UntrainableError(Exception):
    """Why a row cannot be trained."""


def _encode(row: Row, tokenizer: TokenizerLike, template: ChatTemplate) -> Example:
    if not all(message.content.strip() for message in row.messages if message.role == "assistant"):
        raise _UntrainableError("empty answer")
    try:
        return _example(row, Part(row.messages), tokenizer, template)
    except InputError as error:
        raise _UntrainableError("roles out of order") from error


def _example(row: Row, part: Part, tokenizer: TokenizerLike, template: ChatTemplate) -> Example:
    segments = encode_segments(tokenizer, template, part.messages)
    ids = [token for segment in segments for token in segment.ids]
    # The first token has nothing before it to be predicted from.
    trained = [False, *[segment.trained for segment in segments for _ in segment.ids][1:]]
    if part.cut:
        ids, trained = ids[:-1], trained[:-1]  # the end token
    if not any(trained):
        raise _UntrainableError("no trained token")
    return Example(ids, trained, row.id, row.category, part.messages)


def _shortened(
    row: Row, tokenizer: TokenizerLike, template: ChatTemplate, max_length: int, over_length: OverLength
) -> list[Example]:
    def fits(part: Part) -> bool:
        return len(_example(row, part, tokenizer, template).ids) <= max_length

    if over_length == "drop":
        return []
    shorten = split_at_turns if over_length == "split" else truncate_at_sentence
    return [_example(row, part, tokenizer, template) for part in shorten(row.messages, fits)]


def _outcome(over_length: OverLength, parts: int) -> dict[str, int]:
    if not parts:
        return {"dropped": 1}
    return {"split": 1, "parts": parts} if over_length == "split" else {"truncated": 1}
