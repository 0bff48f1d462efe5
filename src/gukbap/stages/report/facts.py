"""What a report tells of a run: its recipe, its models, its statistics and sample rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from gukbap import __version__
from gukbap.config import Recipe
from gukbap.schemas import OperationName, Row

#: sample rows of each operation
SAMPLES_PER_OPERATION = 2
_USER_INFO = re.compile(r'(?<=://)[^/\s@"<>]+@')

Statistics = dict[str, Any]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFact(_Facts):
    """A model that took part, and its licence where it is known."""

    role: str
    model: str
    licence: str | None = None


class Sample(_Facts):
    """A training row with the instruction that it was evolved from."""

    id: str
    category: str
    #: None for a seed
    operation: OperationName | None
    round: int
    #: None for a seed, and where the parent is not among the training rows
    parent_instruction: str | None
    instruction: str
    answer: str


class RunFacts(_Facts):
    """Everything but the judgements. Any statistics may be missing: the report then leaves them out."""

    name: str
    description: str = ""
    recipe: dict[str, Any]
    recipe_hash: str
    package_version: str
    seed: int
    #: a scripted chat model took a part, so that no number is a result
    scripted: bool
    judge_is_teacher: bool
    models: list[ModelFact] = Field(default_factory=list)
    generate: Statistics | None = None
    dedup: Statistics | None = None
    split: Statistics | None = None
    train: Statistics | None = None
    #: step ("tuned default") → statistics
    infer: dict[str, Statistics] = Field(default_factory=dict)
    judge: dict[str, Statistics] = Field(default_factory=dict)
    samples: list[Sample] = Field(default_factory=list)


def build_facts(
    recipe: Recipe,
    *,
    statistics: Mapping[str, Statistics],
    rows: Sequence[Row] = (),
    licences: Mapping[str, str] | None = None,
) -> RunFacts:
    """Collect the facts of a run.

    Args:
        recipe: the resolved recipe.
        statistics: step → statistics; steps are generate, dedup, split, train, and
            "infer SUBJECT STRATEGY" and "judge SUBJECT STRATEGY". Others are ignored.
        rows: training rows, from which samples are taken.
        licences: model reference → licence, as far as known.
    """
    known = licences or {}
    models = {
        "teacher": recipe.teacher.model,
        "student": recipe.student.model,
        "judge": recipe.judge.endpoint.model,
    }
    return RunFacts(
        name=recipe.name,
        description=recipe.description,
        recipe=_without_user_info(recipe.model_dump(mode="json")),
        recipe_hash=recipe.hash,
        package_version=__version__,
        seed=recipe.seed,
        scripted=recipe.scripted,
        judge_is_teacher=recipe.judge_is_teacher,
        models=[
            ModelFact(role=role, model=model, licence=known.get(model)) for role, model in models.items()
        ],
        generate=statistics.get("generate"),
        dedup=statistics.get("dedup"),
        split=statistics.get("split"),
        train=statistics.get("train"),
        infer=_steps("infer", statistics),
        judge=_steps("judge", statistics),
        samples=draw_samples(rows),
    )


def draw_samples(rows: Sequence[Row], per_operation: int = SAMPLES_PER_OPERATION) -> list[Sample]:
    """The first rows of the seeds and of each operation, those first whose parent is there too."""
    by_id = {row.id: row for row in rows}
    samples = []
    for operation in (None, *get_args(OperationName)):
        fitting = [row for row in rows if row.lineage.operation == operation]
        fitting.sort(key=lambda row: (row.lineage.parent_id not in by_id, row.id))
        for row in fitting[:per_operation]:
            parent = by_id.get(row.lineage.parent_id or "")
            samples.append(
                Sample(
                    id=row.id,
                    category=row.category,
                    operation=operation,
                    round=row.lineage.round,
                    parent_instruction=parent.instruction if parent else None,
                    instruction=row.instruction,
                    answer=row.response,
                )
            )
    return samples


def _steps(stage: str, statistics: Mapping[str, Statistics]) -> dict[str, Statistics]:
    found = {name: values for name, values in statistics.items() if re.match(rf"{stage}[ -]", name)}
    return {name[len(stage) + 1 :]: values for name, values in found.items()}


def _without_user_info(value: Any) -> Any:
    if isinstance(value, str):
        return _USER_INFO.sub("", value)
    if isinstance(value, dict):
        return {key: _without_user_info(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_user_info(item) for item in value]
    return value
