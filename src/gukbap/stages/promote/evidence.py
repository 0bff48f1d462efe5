"""What a decision on promotion rests on besides scores: `evidence` in scores.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gukbap.config import states_licence, why_private
from gukbap.errors import InputError
from gukbap.schemas import Judgement, Teacher
from gukbap.stages.evaluation_identity import EvaluationIdentity

#: the key of scores.json
EVIDENCE = "evidence"


class _Read(BaseModel):
    # A later version may add to what it writes.
    model_config = ConfigDict(extra="ignore", frozen=True)


class LicensedRows(_Read):
    """Training rows, and those whose teacher has open weights under a stated licence."""

    rows: int = Field(ge=0)
    licensed: int = Field(ge=0)
    #: why the others are none, each reason once
    problems: list[str] = Field(default_factory=list)


class RunEvidence(_Read):
    """What a run knows of itself; None where a number was not taken."""

    evaluation: EvaluationIdentity | None = None
    #: mean loss of an answer's token on the validation rows, in nats, after and before training
    validation_loss: float | None = None
    base_validation_loss: float | None = None
    #: statistics of the step that cleans the training rows
    cleaning: dict[str, Any] | None = None
    licences: LicensedRows | None = None


@dataclass(frozen=True)
class Contender:
    """A model in the comparison: its judged answers under one strategy, and how they were judged."""

    #: tuned, base, or which champion
    name: str
    judgements: Sequence[Judgement]
    evaluation: EvaluationIdentity | None


def run_evidence(
    statistics: Mapping[str, Mapping[str, Any]],
    teachers: Iterable[tuple[Teacher, str | None, int]] | None,
    evaluation: EvaluationIdentity | None,
) -> RunEvidence:
    """Collect the evidence of a run.

    Args:
        statistics: step → its statistics; any may be missing.
        teachers: who wrote the training rows: teacher, server, rows; None where there are no rows to ask.
        evaluation: None where the questions can no longer be had.
    """
    training, cleaning = statistics.get("train", {}), statistics.get("clean")
    return RunEvidence(
        evaluation=evaluation,
        validation_loss=training.get("validation_loss"),
        base_validation_loss=training.get("base_loss"),
        cleaning=dict(cleaning) if cleaning else None,
        licences=None if teachers is None else _licensed(teachers),
    )


def read_evidence(scores: Mapping[str, Any]) -> RunEvidence:
    """The evidence in the content of scores.json; a run of an older version has none.

    Raises:
        InputError: it is malformed.
    """
    try:
        return RunEvidence.model_validate(scores.get(EVIDENCE) or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"scores: {EVIDENCE}.{'.'.join(map(str, first['loc']))}: {first['msg']}",
            expected="the scores.json that the report step writes",
        ) from error


def _licensed(teachers: Iterable[tuple[Teacher, str | None, int]]) -> LicensedRows:
    rows = licensed = 0
    problems: dict[str, None] = {}
    for teacher, host, count in teachers:
        rows += count
        if private := why_private(teacher.model, host):
            problems[private] = None
        elif not states_licence(teacher.licence):
            problems[f"{teacher.model} states no licence"] = None
        else:
            licensed += count
    return LicensedRows(rows=rows, licensed=licensed, problems=list(problems))
