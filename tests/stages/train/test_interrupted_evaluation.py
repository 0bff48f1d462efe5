"""A signal while a model under training is evaluated: nothing trained is lost, nothing half measured kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch

from gukbap.adapters.progress import SilentProgress
from gukbap.ports import Progress, ProgressBar
from gukbap.stages.train import TrainResult, launch, train
from gukbap.stages.train.checkpoints import newest_complete
from gukbap.stages.train.identity import MEASUREMENTS
from gukbap.stages.train.measurements import Measurements
from tests.stages.train.evicted_worker import EVALUATION
from tests.stages.train.examples import rows, settings, weights


class Evicting(SilentProgress):
    """Sends SIGTERM to this process in the middle of one evaluation, counted from 0."""

    def __init__(self, evaluation: int) -> None:
        self.left = evaluation
        self.batches = 0

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        if not label.startswith("validation"):
            with super().bar(label, total, done) as bar:
                yield bar
            return
        yield Mock(advance=self._advance)
        self.left -= 1

    def _advance(self, count: int) -> None:
        if self.left == 0:
            self.batches += 1
            os.kill(os.getpid(), signal.SIGTERM)


def run(base: Path, folder: Path, progress: Progress) -> TrainResult:
    """Three steps an epoch, at whose end two batches or more are evaluated; saved after steps 2, 4 and 6."""
    return train(settings(), rows(11), rows(5), base, folder / "model", folder / "work", progress)


@pytest.mark.parametrize(("evaluation", "saved"), [(0, None), (1, 3), (2, 6)])
def test_an_evaluation_is_left_after_a_batch_and_made_anew(
    base: Path, tmp_path: Path, evaluation: int, saved: int | None
) -> None:
    whole = run(base, tmp_path / "whole", SilentProgress())
    evicting = Evicting(evaluation)
    with pytest.raises(KeyboardInterrupt):
        run(base, tmp_path, evicting)
    assert evicting.batches == 1
    newest = newest_complete(tmp_path / "work" / "checkpoints", SilentProgress())
    assert (newest and newest.name) == (f"checkpoint-{saved}" if saved else None)
    measured = Measurements(tmp_path / "work" / MEASUREMENTS, writes=False)
    assert [step in measured for step in (0, 3, 6)] == [number < evaluation for number in range(3)]
    resumed = run(base, tmp_path, SilentProgress())
    assert resumed.statistics["history"] == whole.statistics["history"]
    left, right = weights(whole.model), weights(resumed.model)
    assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.slow
def test_two_processes_leave_an_evaluation_together_when_one_is_told(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    two = settings(processes=2, gradient_accumulation=1)

    def run_two(folder: Path) -> TrainResult:
        return train(two, rows(11), rows(9), base, folder / "model", folder / "work", SilentProgress())

    whole = run_two(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(launch, "WORKER", "tests.stages.train.evicted_worker")
        patch.setenv(EVALUATION, "1")
        with pytest.raises(KeyboardInterrupt):
            run_two(tmp_path)
    newest = newest_complete(tmp_path / "work" / "checkpoints", SilentProgress())
    assert newest and newest.name == "checkpoint-3"
    measured = Measurements(tmp_path / "work" / MEASUREMENTS, writes=False)
    assert [step in measured for step in (0, 3, 6)] == [True, False, False]
    resumed = run_two(tmp_path)
    assert resumed.statistics["history"] == whole.statistics["history"]
    left, right = weights(whole.model), weights(resumed.model)
    assert all(torch.equal(left[name], right[name]) for name in left)
