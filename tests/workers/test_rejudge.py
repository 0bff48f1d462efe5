"""Stored answers judged again. The judge is the scripted one, our own double: its scores mean nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gukbap.benchmarks import load_questions
from gukbap.config import JudgeSettings
from gukbap.errors import InputError
from gukbap.recipes import load_recipe
from gukbap.schemas import Judgement
from gukbap.workers.rejudge import answers_of, judge_again
from tests.judgements import judgement

PACK = "bundled://offline-pack"


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUKBAP_WORK_DIR", str(tmp_path))
    monkeypatch.setenv("GUKBAP_QUIET", "1")


def stored(count: int = 3) -> list[Judgement]:
    """Judged answers to the first questions of the offline pack."""
    return [
        judgement(question.id, turn, 1.0, category=question.category).model_copy(
            update={"question": question.questions[turn - 1]}
        )
        for question in load_questions(PACK, None)[:count]
        for turn in (1, 2)
    ]


def settings() -> JudgeSettings:
    return load_recipe("smoke").rejudge_settings()


def test_each_answer_is_judged_by_the_new_judge_with_the_packs_references() -> None:
    then = stored()
    now = judge_again(settings(), then)
    assert [one.slot for one in now] == [one.slot for one in then]
    assert {one.judge for one in now} == {"scripted (not a model)"}
    assert [one.answer for one in now] == [one.answer for one in then]
    questions = {question.id: question for question in load_questions(PACK, None)}
    assert all(
        answer.question == questions[answer.question.id]
        for answer in answers_of(then, list(questions.values()))
    )


@pytest.mark.parametrize("change", ["words", "unknown", "turn"])
def test_answers_to_other_questions_are_refused(change: str) -> None:
    given = stored()
    if change == "words":
        given[0] = given[0].model_copy(update={"question": "다른 질문인가요?"})
    elif change == "unknown":
        given = [one.model_copy(update={"question_id": 9999}) for one in given[:2]]
    else:
        given = given[:-1]
    with pytest.raises(InputError, match="not that of the pack"):
        judge_again(settings(), given)
