"""Evaluation questions: files in LogicKor's shape."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gukbap.errors import GukbapWarning, InputError
from gukbap.files import read_jsonl
from gukbap.schemas import CATEGORIES, FilledText, Question, Text

TURNS = 2


def _known_category(name: str) -> str:
    if name not in CATEGORIES:
        raise ValueError(f"unknown category {name!r}; known are {', '.join(CATEGORIES)}")
    return name


class QuestionLine(BaseModel):
    """A line as LogicKor has it: it may hold more turns than are asked, and further keys."""

    model_config = ConfigDict(extra="ignore")

    id: int
    category: Annotated[Text, AfterValidator(_known_category)]
    questions: list[FilledText] = Field(min_length=TURNS)
    references: list[Text | None] = Field(min_length=TURNS)

    @property
    def asked(self) -> Question:
        """The two turns that are asked; an empty reference is no reference."""
        references = [text if text and text.strip() else None for text in self.references[:TURNS]]
        return Question(
            id=self.id, category=self.category, questions=self.questions[:TURNS], references=references
        )


def read_questions(path: Path) -> list[Question]:
    """The questions of a JSON Lines file in LogicKor's shape (id, category, questions, references).

    A turn after the second, as LogicKor's question 3 has one, is never asked there; it is cut here
    with a warning.

    Raises:
        InputError: the file is missing or malformed, an id stands twice, a question has one turn,
            or a category is unknown.
    """
    seen: set[int] = set()
    questions = []
    for line in read_jsonl(path, QuestionLine):
        if line.id in seen:
            raise InputError(f"{path}: question {line.id} stands twice", expected="one line an id")
        seen.add(line.id)
        if len(line.questions) > TURNS:
            warnings.warn(
                f"question {line.id} has {len(line.questions)} turns; the first two are asked, as LogicKor "
                "does",
                GukbapWarning,
                stacklevel=2,
            )
        questions.append(line.asked)
    return questions


def first_of_each(questions: Sequence[Question], per_category: int | None) -> list[Question]:
    """The first so many questions of each category, in their order; all when None."""
    if per_category is None:
        return list(questions)
    taken = dict.fromkeys(CATEGORIES, 0)
    kept = []
    for question in questions:
        taken[question.category] += 1
        if taken[question.category] <= per_category:
            kept.append(question)
    return kept
