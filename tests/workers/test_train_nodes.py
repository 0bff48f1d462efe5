"""Two nodes that train one job folder, for real: torchrun, gloo, a tiny random model.

The contract server stands for the cluster, and the test for Kubeflow Trainer: it starts a process for each
node of the TrainJob it is given, with the variables that Trainer's torch plugin sets.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gukbap.adapters.progress import SilentProgress
from gukbap.stages.train import train
from gukbap.stages.train.launch import left_error, write_job
from gukbap.workers import train_node
from tests.kubernetes_server import contract_cluster
from tests.servers import free_ports
from tests.stages.train.examples import rows, settings, weights
from tests.workers.train_jobs import Step, condition, on_cluster


class LocalTrainer:
    """Starts a TrainJob's nodes as processes of this machine, and says when they have ended."""

    def __init__(self) -> None:
        self.nodes: list[subprocess.Popen[bytes]] = []
        self._port = free_ports(1)[0]

    def reconcile(self, train_job: dict[str, Any]) -> None:
        """What the controller does when it sees a TrainJob."""
        trainer = train_job["spec"]["trainer"]
        if not self.nodes:
            self.nodes = [self._start(trainer, rank) for rank in range(trainer["numNodes"])]
        codes = [node.poll() for node in self.nodes]
        if all(code == 0 for code in codes):
            condition(train_job, "Complete", "AllJobsCompleted", "jobset completed successfully")
        elif any(codes):
            condition(train_job, "Failed", "FailedJobs", f"nodes ended with {codes}")

    def _start(self, trainer: dict[str, Any], rank: int) -> subprocess.Popen[bytes]:
        own = {one["name"]: one["value"] for one in trainer["env"]}
        own |= {
            "PET_NNODES": str(trainer["numNodes"]),
            "PET_NPROC_PER_NODE": str(trainer["numProcPerNode"]),
            "PET_NODE_RANK": str(rank),
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": str(self._port),
        }
        command = [sys.executable, *trainer["command"][1:], *trainer["args"]]
        return subprocess.Popen(
            command, env={**os.environ, **own, "OMP_NUM_THREADS": "1"}, start_new_session=True
        )


@contextmanager
def local_trainer() -> Iterator[LocalTrainer]:
    """A LocalTrainer whose processes are gone in the end."""
    trainer = LocalTrainer()
    try:
        yield trainer
    finally:
        for node in trainer.nodes:
            # torchrun ends its processes when it is asked to, and not when it is killed.
            node.terminate()
            node.wait(timeout=90)


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Step]:
    with contract_cluster() as server, local_trainer() as trainer:
        server.on_read = trainer.reconcile
        yield on_cluster(monkeypatch, server, tmp_path)


@pytest.mark.slow
def test_two_nodes_train_one_job_folder_as_one_process_does(step: Step, tmp_path: Path) -> None:
    outcome = step.run(settings(gradient_accumulation=1), train={"gpus": 0})
    assert outcome.statistics["processes"] == 2, "one process on each of two nodes"

    (base,) = (step.shared / "cache").rglob("config.json")
    alone = train(
        settings(gradient_accumulation=2),
        *(rows(12), rows(3)),
        *(base.parent, tmp_path / "alone", tmp_path / "work"),
        SilentProgress(),
    )
    assert outcome.statistics["steps"] == alone.statistics["steps"] == 6
    assert outcome.statistics["validation_loss"] == pytest.approx(
        alone.statistics["validation_loss"], rel=1e-5
    )
    left, right = weights(step.model), weights(alone.model)
    assert left.keys() == right.keys()
    assert all(torch.allclose(left[name], right[name], atol=1e-5) for name in left)


def test_a_model_that_cannot_be_had_stops_all_nodes_with_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = settings()
    student = there.student.model_copy(update={"model": "file:///nowhere"})
    job = tmp_path / "job"
    write_job(
        job,
        there.model_copy(update={"student": student}),
        *(rows(4), rows(1)),
        model=None,
        output=tmp_path / "model",
        work=tmp_path / "work",
        tracked_run=None,
    )
    for rank in ("0", "1"):
        monkeypatch.setenv("PET_NODE_RANK", rank)
        with pytest.raises(SystemExit) as raised:
            train_node.main(str(job))
        assert raised.value.code == 1
    error = left_error(job)
    assert error is not None and error.problem == "there is no /nowhere"
