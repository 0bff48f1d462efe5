"""What the report and the model card are made of, read from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.config import BaselineConfig, Recipe
from gukbap.errors import GukbapError
from gukbap.files import read_json, read_jsonl, read_text, sha256_file, write_text
from gukbap.ports import Progress
from gukbap.schemas import Judgement, Row
from gukbap.stages.evaluation_identity import EvaluationIdentity, evaluation_identity
from gukbap.stages.promote import RunEvidence, run_evidence
from gukbap.stages.report import (
    Baseline,
    Licence,
    ModelSource,
    Questions,
    RunFacts,
    build_facts,
    read_baseline,
    with_health,
)


@dataclass(frozen=True)
class ReportInputs:
    """Everything that is told of a run."""

    facts: RunFacts
    judgements: list[Judgement]
    baselines: list[Baseline]
    #: step → statistics, as far as files of them were given
    statistics: Mapping[str, Any]
    evidence: RunEvidence


def read_report_inputs(
    recipe: Recipe,
    *,
    judgements: Sequence[Path],
    statistics: Mapping[str, Path],
    rows: Path | None,
    model_sha256: str | None,
    baselines: Sequence[BaselineConfig],
    progress: Progress,
) -> ReportInputs:
    """Read a run's files and its baselines'.

    Args:
        recipe: as it was run.
        judgements: files of Judgement; a strategy that the run form leaves out has an empty one.
        statistics: step → its statistics file; an empty one, of a step that is left out, is not read.
        rows: the training rows.
        model_sha256: over the files of the trained model.
        baselines: besides the recipe's.
        progress: where to say what cannot be had.

    Raises:
        InputError: a file is missing or malformed.
    """
    known = {step: read_json(path) for step, path in statistics.items() if read_text(path).strip()}
    questions, evaluation = _asked(recipe, progress)
    facts = build_facts(
        recipe,
        statistics=known,
        rows=read_jsonl(rows, Row) if rows else [],
        sources=_sources(),
        questions=questions,
        dataset_sha256=sha256_file(rows) if rows else None,
        model_sha256=model_sha256,
    )
    return ReportInputs(
        facts=facts,
        judgements=[one for path in judgements for one in read_jsonl(path, Judgement, allow_empty=True)],
        baselines=[
            read_baseline(one, _local(one.path, progress)) for one in (*recipe.report.baselines, *baselines)
        ],
        statistics=known,
        evidence=run_evidence(
            known,
            [(one.teacher, one.host, one.rows) for one in facts.sources] if rows else None,
            evaluation,
        ),
    )


def _sources() -> dict[str, ModelSource]:
    """What the catalogue knows of the models that it names."""
    from gukbap.adapters.model_catalogue import load_catalogue

    return {
        f"bundled://{name}": ModelSource(
            licence=Licence(name=entry.license, url=entry.license_url, notice=entry.notice),
            hub=next((source.hub.repo for source in entry.sources if source.hub), None),
            sha256=entry.sha256,
        )
        for name, entry in load_catalogue().items()
    }


def _asked(recipe: Recipe, progress: Progress) -> tuple[Questions | None, EvaluationIdentity | None]:
    """What was asked and how it was judged; None, which the report then says, where the pack can no longer
    be had."""
    from gukbap.benchmarks import open_pack
    from gukbap.workers.packs import evaluation_inputs, local_pack

    try:
        pack = open_pack(local_pack(recipe.evaluate.pack, progress))
        questions, strategies = evaluation_inputs(recipe.evaluate, progress)
    except GukbapError as error:
        progress.say(f"the report cannot tell which questions were asked: {error.problem}")
        return None, None
    identity = evaluation_identity(questions, strategies, pack.judge, recipe.judge.max_answer_chars)
    return Questions(identity=pack.identity, logickor=pack.judge is not None), identity


def _local(path: str, progress: Progress) -> Path:
    from gukbap.workers.packs import local_pack

    return Path(local_pack(path, progress).removeprefix("file://")).expanduser()


def track_results(
    recipe: Recipe, found: ReportInputs, scores: Mapping[str, Any], rows: Path | None, folder: Path
) -> None:
    """Put what runs are compared by on the parent run, flat numbers and the small files, and what changed
    since the last run into the report."""
    from gukbap.adapters.mlflow_tracker import MlflowTracker, parent_from_environment
    from gukbap.stages.comparable import comparable_metrics
    from gukbap.workers.health import find_health, record_health

    parent = parent_from_environment(experiment=recipe.tracking.experiment)
    # What judging took stands in the judgements themselves, whichever steps made them.
    known = {**found.statistics, "judge all": scores["judging"]}
    numbers = comparable_metrics(scores, known)
    parent.metrics(numbers)
    if rows:
        parent.tags({"gukbap.dataset_sha256": sha256_file(rows)})
    if isinstance(parent, MlflowTracker) and (
        changed := find_health(recipe, parent, numbers, found.judgements)
    ):
        html, markdown = folder / "report.html", folder / "report.md"
        texts = with_health(read_text(html), read_text(markdown), changed)
        for file, text in zip((html, markdown), texts, strict=True):
            write_text(file, text)
        record_health(parent, changed)
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        parent.file(file)
