"""The course of a training in a real MLflow server: while it lasts, by one process, each step once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.null_tracker import NullTracker
from gukbap.adapters.progress import SilentProgress
from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.files import write_jsonl
from gukbap.stages.train import launch, train
from gukbap.workers.context import Outcome
from gukbap.workers.stages import run_train
from tests.servers import free_ports, mlflow_server
from tests.stages.train.examples import rows, settings
from tests.workers.tracked_worker import KILL

STEPS = (
    "loss",
    "learning_rate",
    "grad_norm",
    "trained_tokens",
    "trained_tokens_per_second",
    "peak_memory_mib",
)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A real MLflow server."""
    with mlflow_server() as uri:
        yield uri


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A step's environment, with a run of its own."""
    monkeypatch.setattr(launch, "WORKER", "tests.workers.tracked_worker")
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    monkeypatch.setenv("GUKBAP_WORK_DIR", str(tmp_path / "work"))
    monkeypatch.setenv("GUKBAP_RUN_ID", tmp_path.name)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


def attempt(folder: Path, chosen: TrainSettings) -> Outcome:
    """The train step once."""
    write_jsonl(folder / "train.jsonl", rows(11))
    write_jsonl(folder / "validation.jsonl", rows(3))
    return run_train(
        chosen,
        train_rows=folder / "train.jsonl",
        validation_rows=folder / "validation.jsonl",
        model=folder / "model",
        statistics=folder / "statistics.json",
    )


def nested(client: MlflowClient, run: str) -> Any:
    """The one nested run of a pipeline run."""
    experiments = [one.experiment_id for one in client.search_experiments()]
    parents = client.search_runs(experiments, f"tags.`kfp.run_id` = '{run}'")
    (found,) = client.search_runs(experiments, f"tags.`mlflow.parentRunId` = '{parents[0].info.run_id}'")
    return found


def points(client: MlflowClient, run: Any, name: str) -> list[Any]:
    return list(client.get_metric_history(run.info.run_id, f"history.{name}"))


@pytest.mark.mlflow
@pytest.mark.slow
def test_two_processes_killed_and_resumed_leave_one_curve(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the end of step 6, with a checkpoint of step 3: steps 4 and 5 are trained twice."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    chosen = settings(processes=2, gradient_accumulation=1, save_every_steps=3)
    monkeypatch.setenv(KILL, "6")
    with pytest.raises(GukbapError, match="none could say why"):
        attempt(tmp_path, chosen)
    monkeypatch.delenv(KILL)
    client = MlflowClient(server)
    run = nested(client, tmp_path.name)
    assert run.info.status == "FAILED"
    before = {name: points(client, run, name) for name in STEPS}
    for name, found in before.items():
        assert [point.step for point in found] == [1, 2, 3, 4, 5], name
    (job,) = (tmp_path / "work").rglob("job.json")
    assert server not in job.read_text(), "only the environment says where the tracker is"

    outcome = attempt(tmp_path, chosen)
    run = nested(client, tmp_path.name)
    assert run.info.status == "FINISHED"
    for name in STEPS:
        found = points(client, run, name)
        assert [point.step for point in found] == [1, 2, 3, 4, 5, 6], name
        assert found[:5] == before[name], name
    for name in ("validation_loss", "validation_full_loss"):
        assert Counter(point.step for point in points(client, run, name)) == {0: 1, 3: 1, 6: 1}
    losses = [point["loss"] for point in outcome.statistics["history"] if "loss" in point]
    assert [point.value for point in points(client, run, "loss")] == losses


@pytest.mark.slow
def test_a_tracker_that_goes_away_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: Path
) -> None:
    """A process that cannot open the run trains all the same."""
    (port,) = free_ports(1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    tracker = NullTracker()
    tracker.run_id = "0" * 32
    result = train(
        settings(processes=2, gradient_accumulation=1, epochs=1),
        *(rows(11), rows(3), base, tmp_path / "model", tmp_path / "train"),
        SilentProgress(),
        tracker,
    )
    assert result.statistics["steps"] == 3 and (tmp_path / "model" / "config.json").exists()
