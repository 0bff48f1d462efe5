"""The identity of an evaluation: it changes with everything that a score depends on but the answer."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.benchmarks import JudgeTemplates
from gukbap.schemas import Message, Question
from gukbap.stages.evaluation_identity import EvaluationIdentity, evaluation_identity

QUESTIONS = [
    Question(id=number, category="math", questions=["하나", "둘"], references=["셋", None])
    for number in (1, 2)
]
FEW_SHOT = [Message(role="user", content="질문"), Message(role="assistant", content="답")]
TEMPLATES = JudgeTemplates(single_turn="한 번 채점하세요.", multi_turn="두 번 채점하세요.")


def identity(**changes: Any) -> EvaluationIdentity:
    given = {
        "questions": QUESTIONS,
        "strategies": {"default": [], "1-shot": FEW_SHOT},
        "templates": TEMPLATES,
        "max_answer_chars": 1000,
    }
    return evaluation_identity(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"questions": QUESTIONS[:1]}, "the questions"),
        (
            {"questions": [QUESTIONS[0], QUESTIONS[1].model_copy(update={"references": [None, None]})]},
            "quest",
        ),
        ({"strategies": {"default": [], "1-shot": FEW_SHOT[:1]}}, "strategy 1-shot"),
        ({"strategies": {"default": []}}, "strategy 1-shot"),
        ({"templates": None}, "rubric"),
        ({"templates": TEMPLATES.model_copy(update={"multi_turn": "다르게"})}, "rubric"),
        ({"max_answer_chars": 999}, "rubric"),
    ],
)
def test_what_a_score_depends_on_is_told_apart(changes: dict[str, Any], named: str) -> None:
    (found,) = identity().differences(identity(**changes), "1-shot")
    assert named in found


def test_order_is_none_of_it_and_neither_is_another_strategy() -> None:
    assert identity() == identity(questions=QUESTIONS[::-1])
    other = identity(strategies={"default": [], "1-shot": FEW_SHOT[:1]})
    assert identity().differences(other, "default") == []
