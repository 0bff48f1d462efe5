"""Evaluation questions and prompt strategies: the bundled ones or files in LogicKor's shape."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from gukbap.errors import GukbapWarning, InputError
from gukbap.files import read_json, read_jsonl
from gukbap.schemas import CATEGORIES, FilledText, Message, Question, Strategy, Text

BUNDLED_PACK = "bundled://offline-pack"
BUNDLED_STRATEGIES = "bundled://strategies"
TURNS = 2


def _known_category(name: str) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"unknown category {name!r}; known are {', '.join(CATEGORIES)}")
    return name


class _PackLine(BaseModel):
    """A line as LogicKor has it: it may hold more turns than are asked, and further keys."""

    model_config = ConfigDict(extra="ignore")

    id: int
    category: Annotated[Text, AfterValidator(_known_category)]
    questions: list[FilledText] = Field(min_length=TURNS)
    references: list[Text | None] = Field(min_length=TURNS)


def load_questions(reference: str, per_category: int | None) -> list[Question]:
    """The questions of a pack, in its order.

    A turn after the second, as LogicKor's question 3 has one, is never asked there; it is cut here
    with a warning.

    Args:
        reference: "bundled://offline-pack", or the path of a JSON Lines file in LogicKor's shape
            (id, category, questions, references; a byte order mark is allowed).
        per_category: keep the first so many questions of each category; all when None.

    Raises:
        InputError: the file is missing or malformed, an id stands twice, a question has one turn,
            or a category is unknown.
    """
    path = _locate(reference, BUNDLED_PACK, "eval_pack.jsonl", "a JSON Lines file in LogicKor's shape")
    lines = read_jsonl(path, _PackLine)
    seen: set[int] = set()
    for line in lines:
        if line.id in seen:
            raise InputError(f"{path}: question {line.id} stands twice", expected="one line an id")
        seen.add(line.id)
    return _first_of_each([_two_turns(line) for line in lines], per_category)


def _two_turns(line: _PackLine) -> Question:
    if len(line.questions) > TURNS:
        warnings.warn(
            f"question {line.id} has {len(line.questions)} turns; the first two are asked, as LogicKor does",
            GukbapWarning,
            stacklevel=3,
        )
    references = [text if text and text.strip() else None for text in line.references[:TURNS]]
    return Question(
        id=line.id, category=line.category, questions=line.questions[:TURNS], references=references
    )


def _first_of_each(questions: Sequence[Question], per_category: int | None) -> list[Question]:
    if per_category is None:
        return list(questions)
    taken = dict.fromkeys(CATEGORIES, 0)
    kept = []
    for question in questions:
        taken[question.category] += 1
        if taken[question.category] <= per_category:
            kept.append(question)
    return kept


def load_strategies(reference: str) -> dict[Strategy, list[Message]]:
    """The few-shot messages that each prompt strategy puts before a question.

    Args:
        reference: "bundled://strategies", or the path of a JSON file {strategy: [{role, content}, …]}.

    Raises:
        InputError: the file is missing or malformed, a strategy is unknown, or its messages are not
            an optional system message followed by pairs of user and assistant.
    """
    path = _locate(reference, BUNDLED_STRATEGIES, "strategies.json", "a JSON file of strategies")
    values = read_json(path)
    if not isinstance(values, dict) or not values:
        raise InputError(f"{path} is no mapping of strategies", expected="{strategy: [messages]}")
    known: dict[str, Strategy] = {name: name for name in get_args(Strategy)}
    strategies: dict[Strategy, list[Message]] = {}
    for name, messages in values.items():
        if name not in known:
            raise InputError(f"{path}: unknown strategy {name!r}", expected=f"some of {', '.join(known)}")
        strategies[known[name]] = _few_shot(path, name, messages)
    return strategies


def _few_shot(path: Path, name: str, values: Any) -> list[Message]:
    try:
        messages = [Message.model_validate(value) for value in values]
    except (ValidationError, TypeError) as error:
        raise InputError(
            f"{path}: strategy {name!r} holds something that is no message",
            expected='a list of {"role": "system|user|assistant", "content": "…"}',
        ) from error
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if turns != ["user", "assistant"] * (len(turns) // 2):
        raise InputError(
            f"{path}: strategy {name!r} has the roles {', '.join(roles)}",
            expected="an optional system message, then pairs of user and assistant",
        )
    return messages


def _locate(reference: str, bundled: str, file: str, kind: str) -> Path:
    if reference == bundled:
        return Path(str(resources.files("gukbap.data").joinpath(file)))
    if "://" in reference:
        raise InputError(f"nothing is known under {reference!r}", expected=f"{bundled} or the path of {kind}")
    return Path(reference)
