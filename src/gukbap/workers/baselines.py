"""Judged answers of other models as runs of the tracker, beside the pipeline's own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gukbap.config import BaselineConfig
from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import Judgement
from gukbap.stages.comparable import model_scores
from gukbap.stages.report import read_baseline
from gukbap.stages.scores import score_table


@dataclass(frozen=True)
class Imported:
    """A baseline's run."""

    name: str
    run_id: str
    strategies: list[str]
    #: it was there already, with the same judgements
    known: bool


def import_baselines(
    tracking_uri: str, experiment: str, baselines: list[BaselineConfig], *, seed: int = 0
) -> list[Imported]:
    """Put each model of some judged files into an experiment as a run of its own.

    A run is found by the model's name and the hash of its judgements, so what was imported before is
    imported once; changed judgements are another run.

    Args:
        tracking_uri: MLflow.
        experiment: name of the experiment.
        baselines: files or folders of judged answers, as under report.baselines.
        seed: of the intervals' resampling.

    Raises:
        InputError: a file is no judged file, or lacks questions.
        StoreError: MLflow refuses or cannot be reached.
    """
    models: dict[str, list[Judgement]] = {}
    for config in baselines:
        for one in read_baseline(config, Path(config.path)).judgements:
            models.setdefault(one.subject, []).append(one)
    return [_import(tracking_uri, experiment, name, found, seed) for name, found in models.items()]


def _import(
    tracking_uri: str, experiment: str, name: str, judgements: list[Judgement], seed: int
) -> Imported:
    from gukbap.adapters.mlflow_client import find_experiment, open_client
    from gukbap.adapters.mlflow_election import find_or_create
    from gukbap.adapters.mlflow_errors import explained
    from gukbap.adapters.mlflow_runs import BASELINE_TAG
    from gukbap.adapters.mlflow_sqlite import alone
    from gukbap.adapters.mlflow_tracker import MlflowTracker

    lines = sorted(canonical_json(one.model_dump(mode="json")) for one in judgements)
    digest = sha256_text("\n".join(lines))
    tags = {BASELINE_TAG: name, "gukbap.judgements_sha256": digest}
    client = open_client(tracking_uri)
    with alone(tracking_uri), explained(tracking_uri):
        experiment_id = find_experiment(client, experiment, tracking_uri)
        run = find_or_create(client, experiment_id, tags, name)
    tracker = MlflowTracker(client, tracking_uri, run.info.run_id, experiment_id)
    rows = score_table(judgements, seed=seed).rows
    known = run.info.status == "FINISHED"
    if not known:
        scores = {key: value for row in rows for key, value in model_scores(row.model_dump()).items()}
        tracker.metrics({key: value for key, value in scores.items() if value is not None})
        tracker.tags({"gukbap.judge": ", ".join(sorted({row.judge for row in rows}))})
        # Last: a run that is finished has all its numbers.
        tracker.finish()
    return Imported(name, str(run.info.run_id), [row.strategy for row in rows], known)
