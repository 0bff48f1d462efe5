"""What a report tells of a run: its recipe, its models, its statistics and sample rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from gukbap import __version__
from gukbap.benchmarks import PackIdentity
from gukbap.config import Recipe, deviations, pipeline_name
from gukbap.schemas import OperationName, Row, Teacher
from gukbap.stages.provenance import sources as data_sources

#: sample rows of each operation
SAMPLES_PER_OPERATION = 2
_USER_INFO = re.compile(r'(?<=://)[^/\s@"<>]+@')

Statistics = dict[str, Any]


class _Facts(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(_Facts):
    """Under what a model may be used."""

    name: str
    url: str | None = None
    #: what its terms ask to be told
    notice: str | None = None


class ModelSource(_Facts):
    """What is known of a model reference besides its name."""

    licence: Licence | None = None
    #: org/name on the Hugging Face hub
    hub: str | None = None
    #: of the file behind the reference
    sha256: str | None = None


class ModelFact(_Facts):
    """A model that took part, and its licence where it is known."""

    role: str
    model: str
    licence: str | None = None
    source: ModelSource = ModelSource()
    #: the server that was asked, without user and password; None: a file on the machine of the run
    server: str | None = None


class Questions(_Facts):
    """What was asked in the evaluation."""

    identity: PackIdentity
    #: the pack brings LogicKor's own judge templates, and they were used
    logickor: bool


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


class DataSource(_Facts):
    """A teacher that wrote training rows: which one, where it was asked, and how many it wrote."""

    teacher: Teacher
    #: None: the run's own machine
    host: str | None
    #: of this package
    version: str
    rows: int


class RunFacts(_Facts):
    """Everything but the judgements. Any statistics may be missing: the report then leaves them out."""

    name: str
    #: what the trained model is called
    model_name: str
    description: str = ""
    recipe: dict[str, Any]
    recipe_hash: str
    package_version: str
    seed: int
    #: a scripted chat model took a part, so that no number is a result
    scripted: bool
    judge_is_teacher: bool
    models: list[ModelFact] = Field(default_factory=list)
    #: where the answers were generated otherwise than LogicKor does it, a sentence each
    deviations: list[str] = Field(default_factory=list)
    #: None where it is not known
    questions: Questions | None = None
    #: of the file of training rows, and over the files of the trained model
    dataset_sha256: str | None = None
    model_sha256: str | None = None
    #: the strategy whose scores decide, and from which examples are taken
    deciding_strategy: str = "default"
    generate: Statistics | None = None
    clean: Statistics | None = None
    dedup: Statistics | None = None
    split: Statistics | None = None
    train: Statistics | None = None
    #: step ("tuned default") → statistics
    infer: dict[str, Statistics] = Field(default_factory=dict)
    judge: dict[str, Statistics] = Field(default_factory=dict)
    samples: list[Sample] = Field(default_factory=list)
    #: operation ("seed" for none) → training rows
    rows_by_operation: dict[str, int] = Field(default_factory=dict)
    #: who wrote the training rows, the most first
    sources: list[DataSource] = Field(default_factory=list)

    def model(self, role: str) -> ModelFact:
        """The model of a role: teacher, student or judge."""
        return next(model for model in self.models if model.role == role)


def build_facts(
    recipe: Recipe,
    *,
    statistics: Mapping[str, Statistics],
    rows: Sequence[Row] = (),
    sources: Mapping[str, ModelSource] | None = None,
    questions: Questions | None = None,
    dataset_sha256: str | None = None,
    model_sha256: str | None = None,
) -> RunFacts:
    """Collect the facts of a run.

    Args:
        recipe: the resolved recipe.
        statistics: step → statistics; steps are generate, clean, dedup, split, train, "infer SUBJECT" and
            "judge SUBJECT STRATEGY". Others are ignored.
        rows: training rows, from which samples are taken.
        sources: model reference → what is known of it.
        questions: what was asked.
        dataset_sha256: of the file of `rows`.
        model_sha256: over the files of the trained model.
    """
    return RunFacts(
        name=recipe.name,
        model_name=pipeline_name(recipe.name),
        description=recipe.description,
        recipe=_without_user_info(recipe.model_dump(mode="json")),
        recipe_hash=recipe.hash,
        package_version=__version__,
        seed=recipe.seed,
        scripted=recipe.scripted,
        judge_is_teacher=recipe.judge_is_teacher,
        models=_models(recipe, sources or {}),
        deviations=deviations(recipe),
        questions=questions,
        dataset_sha256=dataset_sha256,
        model_sha256=model_sha256,
        deciding_strategy=recipe.deciding_strategy,
        generate=statistics.get("generate"),
        clean=statistics.get("clean"),
        dedup=statistics.get("dedup"),
        split=statistics.get("split"),
        train=statistics.get("train"),
        infer=_steps("infer", statistics),
        judge=_steps("judge", statistics),
        samples=draw_samples(rows),
        rows_by_operation=_by_operation(rows),
        sources=[
            DataSource(teacher=teacher, host=host, version=version, rows=count)
            for (teacher, host, version), count in data_sources(rows).items()
        ],
    )


def _models(recipe: Recipe, sources: Mapping[str, ModelSource]) -> list[ModelFact]:
    models = []
    judge = recipe.judge.endpoint
    for role, model, server, stated in (
        ("teacher", recipe.teacher.model, recipe.teacher.base_url, recipe.teacher.licence),
        ("student", recipe.student.model, None, None),
        ("judge", judge.model, judge.base_url, judge.licence),
    ):
        source = sources.get(model, ModelSource())
        if source.hub is None and model.startswith("hf://"):
            source = source.model_copy(update={"hub": model.removeprefix("hf://").partition("@")[0]})
        models.append(
            ModelFact(
                role=role,
                model=model,
                # What a recipe says of a licence was read by its author, not by this run.
                licence=source.licence.name if source.licence else stated,
                source=source,
                server=_without_user_info(server),
            )
        )
    return models


def _by_operation(rows: Sequence[Row]) -> dict[str, int]:
    counts = Counter(row.lineage.operation or "seed" for row in rows)
    return {name: counts[name] for name in ("seed", *get_args(OperationName)) if counts[name]}


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
