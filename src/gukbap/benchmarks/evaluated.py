"""Judged answers in LogicKor's own format (evaluated/<org>/<model>/<strategy>.jsonl), as our records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gukbap.files import read_jsonl, read_text
from gukbap.schemas import FilledText, Judgement, Text

#: LogicKor's files name no judge.
UNKNOWN_JUDGE = "not recorded"
#: What LogicKor's evaluator writes beside a score of 0.0 after five failed calls of its judge (method
#: facts, "LogicKor judging"): no judge gave that zero.
INVENTED_COMMENT = "Impossible to judge due to repetition."
LOGICKOR_QUESTIONS = 42
OUT_OF_RANGE = "score out of range"
NO_SCORE = "no score in the file"


class _Verdict(BaseModel):
    model_config = ConfigDict(extra="ignore")

    judge_message: Text = ""
    judge_score: float | None


class EvaluatedAnswers(BaseModel):
    """A line of an evaluated file, as far as it is read."""

    model_config = ConfigDict(extra="ignore")

    id: int
    category: Text
    questions: list[FilledText] = Field(min_length=2)
    outputs: list[Text] = Field(min_length=2)
    query_single: _Verdict
    query_multi: _Verdict


def is_evaluated(path: Path) -> bool:
    """Whether a file's first record is LogicKor's (it has `query_single`)."""
    return '"query_single"' in read_text(path).partition("\n")[0]


def read_evaluated(path: Path, subject: str | None = None, strategy: str | None = None) -> list[Judgement]:
    """The judgements of an evaluated file, turn 1 before turn 2 of each question.

    Args:
        path: JSON Lines, a byte order mark is allowed.
        subject: the model's name; by default org/model after the folders above the file.
        strategy: by default the file's name without its ending.

    Raises:
        InputError: the file is missing or malformed.
    """
    name = subject or model_name(path)
    return [
        _judgement(line, turn, name, strategy or path.stem)
        for line in read_jsonl(path, EvaluatedAnswers)
        for turn in (1, 2)
    ]


def model_name(path: Path) -> str:
    """org/model: the folders between `evaluated` and the file; without such a folder the last one."""
    folders = path.resolve().parent.parts
    if "evaluated" in folders:
        last = len(folders) - 1 - folders[::-1].index("evaluated")
        folders = folders[last + 1 :] or folders[-1:]
        return "/".join(folders)
    return folders[-1]


def _judgement(line: EvaluatedAnswers, turn: int, subject: str, strategy: str) -> Judgement:
    verdict = line.query_single if turn == 1 else line.query_multi
    return Judgement(
        question_id=line.id,
        category=line.category,
        subject=subject,
        strategy=strategy,
        turn=1 if turn == 1 else 2,
        asked=LOGICKOR_QUESTIONS,
        judge=UNKNOWN_JUDGE,
        **_score(verdict.judge_score),
        invented=verdict.judge_score == 0 and INVENTED_COMMENT in verdict.judge_message,
        comment=verdict.judge_message,
        raw_reply=verdict.judge_message,
        question=line.questions[turn - 1],
        answer=line.outputs[turn - 1],
        stopped=None,
    )


def _score(value: float | None) -> dict[str, Any]:
    if value is None:
        return {"score": None, "unscored_reason": NO_SCORE}
    if not 0 <= value <= 10:
        return {"score": None, "unscored_reason": OUT_OF_RANGE}
    return {"score": value}
