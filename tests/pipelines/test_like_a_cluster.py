"""The pipeline as it is compiled for a cluster, taken by kfp.local with its cache on: run form, editions,
ledger, exit step. The teacher is scripted and the student random: no number is a result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kfp import local
from mlflow import MlflowClient

from gukbap.files import read_json
from gukbap.handover import RUN_ID, SHARED_DIR, TRACKING_URI, WORK_DIR
from gukbap.recipes import load_recipe
from pipelines.gukbap_pipeline import build_pipeline
from tests.tracking_files import tracking_file

RECIPE = load_recipe(
    "smoke",
    [
        "infer.strategies=[default]",
        "infer.subjects=[tuned]",
        "cluster.retry.retries=0",
        "split.validation_rows=2",
    ],
)


class Cluster:
    """One claim, one store, one tracking server (a file) for several runs."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self._patch = folder, patch
        self.uri = tracking_file(folder / "mlflow.sqlite3")
        for name, value in {SHARED_DIR: str(folder / "claim"), TRACKING_URI: self.uri}.items():
            patch.setenv(name, value)
        patch.delenv(WORK_DIR, raising=False)
        self._pipeline = build_pipeline(RECIPE)

    def run(self, run_id: str, **form: Any) -> set[str]:
        """Run with the form's values; gives the steps that worked, as tracking knows them."""
        self._patch.setenv(RUN_ID, run_id)
        local.init(
            runner=local.SubprocessRunner(use_venv=False),
            pipeline_root=str(self.folder / "store"),
            enable_caching=True,
            cache_root=str(self.folder / "cache"),
        )
        self._pipeline(**form)
        client = MlflowClient(self.uri)
        [experiment] = client.search_experiments(filter_string="name = 'gukbap'")
        [self.parent] = client.search_runs([experiment.experiment_id], f"tags.`kfp.run_id` = '{run_id}'")
        assert self.parent.info.status == "FINISHED"
        nested = client.search_runs(
            [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{self.parent.info.run_id}'"
        )
        return {run.data.tags["gukbap.stage"] for run in nested}

    def newest(self, pattern: str) -> Path:
        """The newest file of the store that fits."""
        return max(self.folder.glob(f"store/**/{pattern}"), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.slow
@pytest.mark.filterwarnings(
    "ignore::UserWarning", "ignore::RuntimeWarning"
)  # kfp.local's, on what it ignores
def test_unchanged_work_is_reused_and_lost_work_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = Cluster(tmp_path, monkeypatch)
    reusable = {"generate", "clean", "dedup", "split", "train", "infer-tuned", "judge-tuned-default"}
    always = {"report", "promote"}

    assert cluster.run("one", epochs=2) == reusable | always
    # The form's value reached the training, and the parent run says what was run.
    history = read_json(cluster.newest("train/statistics"))["history"]
    assert max(point["epoch"] for point in history) == 2
    assert cluster.parent.data.params["train.epochs"] == "2"
    assert "overall.tuned.default" in cluster.parent.data.metrics
    assert cluster.parent.data.tags["gukbap.dataset_sha256"]
    assert not (tmp_path / "claim" / "runs" / "one").exists()

    assert cluster.run("two", epochs=2) == always

    cluster.newest("judge/judgements").unlink()
    assert cluster.run("three", epochs=2) == {"judge-tuned-default"} | always
    plan = cluster.newest("prepare/summary").read_text(encoding="utf-8")
    assert "| judge-tuned-default | runs again: an artifact made before is gone" in plan
    assert "| train | may be reused" in plan
