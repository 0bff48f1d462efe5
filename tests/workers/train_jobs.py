"""What the tests of the train step on a TrainJob share: a step's surroundings, and how it is called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.kubernetes_cluster import KubernetesCluster
from gukbap.config import ClusterConfig, TrainSettings
from gukbap.files import write_json, write_jsonl
from gukbap.workers.context import Outcome
from gukbap.workers.train_job import run_train_job
from tests.kubernetes_server import NAMESPACE, ContractCluster
from tests.stages.train.examples import rows, settings

RUN = "3f1c9e6a-7c2b-4f0e-9d0a-0d8a2f7f1b11"


@dataclass(frozen=True)
class Step:
    """A train step of a run, on a cluster whose shared claim is `shared`."""

    server: ContractCluster
    folder: Path

    @property
    def shared(self) -> Path:
        return self.folder / "claim"

    @property
    def model(self) -> Path:
        return self.folder / "out" / "model"

    @property
    def statistics(self) -> Path:
        return self.folder / "out" / "statistics.json"

    def run(self, chosen: TrainSettings | None = None, **cluster: Any) -> Outcome:
        """One attempt at the step."""
        write_jsonl(self.folder / "train.jsonl", rows(12))
        write_jsonl(self.folder / "validation.jsonl", rows(3))
        return run_train_job(
            chosen or settings(),
            cluster=ClusterConfig.model_validate({"work_claim": "work", "nodes": 2, **cluster}),
            image="registry/gukbap-train:0.1.0",
            task_config={},
            train_rows=self.folder / "train.jsonl",
            validation_rows=self.folder / "validation.jsonl",
            model=self.model,
            statistics=self.statistics,
            api=KubernetesCluster(self.server.client, NAMESPACE),
            poll_seconds=0.01,
        )

    def job_folder(self) -> Path:
        """Where the nodes find their work."""
        (folder,) = (self.shared / "runs" / RUN).glob("train-*/job")
        return folder


def on_cluster(monkeypatch: pytest.MonkeyPatch, server: ContractCluster, folder: Path) -> Step:
    """The environment that a step's pod has."""
    step = Step(server, folder)
    step.shared.mkdir()
    monkeypatch.setenv("GUKBAP_SHARED_DIR", str(step.shared))
    monkeypatch.setenv("GUKBAP_RUN_ID", RUN)
    for name in ("GUKBAP_WORK_DIR", "MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "KFP_POD_NAME"):
        monkeypatch.delenv(name, raising=False)
    return step


def leave_result(job: Path) -> None:
    """Write what the nodes leave when they have trained."""
    model = job.parent / "model"
    model.mkdir(exist_ok=True)
    (model / "config.json").write_text("{}")
    write_json(job / "result.json", {"steps": 4, "validation_loss": 0.5})


def condition(train_job: dict[str, Any], kind: str, reason: str = "", message: str = "") -> None:
    """Set a condition as the controller does."""
    one = {"type": kind, "status": "True", "reason": reason, "message": message}
    train_job["status"] = {"conditions": [one]}
