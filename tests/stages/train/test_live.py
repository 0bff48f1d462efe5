"""The course of a training on its way to a tracker: batches, failures, and what a step is told with."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from gukbap.adapters.null_tracker import NullTracker
from gukbap.adapters.progress import SilentProgress
from gukbap.errors import StoreError
from gukbap.ports import Point
from gukbap.stages.train import live, train
from gukbap.stages.train.live import LiveSeries, live_series
from tests.stages.train.examples import rows, settings


class Recorder(NullTracker):
    """Stands for a tracker: keeps batches, and fails as often as it is told to."""

    run_id = "a run"

    def __init__(self, failures: int = 0) -> None:
        self.batches: list[list[Point]] = []
        self.failures = failures

    def series(self, points: Sequence[Point]) -> None:
        """Keep a batch."""
        if self.failures:
            self.failures -= 1
            raise StoreError("the server does not answer")
        self.batches.append(list(points))


class Told(SilentProgress):
    """A Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Remember."""
        self.lines.append(line)


def test_points_go_in_batches_and_nothing_is_tracked_without_a_run() -> None:
    tracker = Recorder()
    with live_series(tracker, SilentProgress()) as series:
        assert series is not None
        for step in range(1, 101):
            series.add(step, {"step": step, "loss": 1.0 / step})
    (batch,) = tracker.batches
    assert [point.step for point in batch] == list(range(1, 101))
    assert batch[1].values == {"history.loss": 0.5} and batch[0].time is not None
    for untracked in (None, NullTracker()):
        with live_series(untracked, SilentProgress()) as nothing:
            assert nothing is None


def test_a_failing_tracker_is_told_once_and_gets_everything_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE", 0.01)
    tracker, told = Recorder(failures=3), Told()
    series = LiveSeries(tracker, told)
    series.add(1, {"loss": 3.0})
    while tracker.failures:
        threading.Event().wait(0.01)
    series.add(2, {"loss": 2.0})
    series.close()
    assert [point.step for batch in tracker.batches for point in batch] == [1, 2]
    assert told.lines == ["training goes on untracked for now: the server does not answer"]


def test_a_tracker_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LAST_SECONDS", 0.05)
    answered = threading.Event()

    class Hanging(Recorder):
        def series(self, points: Sequence[Point]) -> None:
            answered.wait()
            super().series(points)

    tracker = Hanging()
    series = LiveSeries(tracker, SilentProgress())
    series.add(1, {"loss": 3.0})
    series.close()
    assert tracker.batches == []
    answered.set()


@pytest.mark.parametrize("batching", ["grouped", "packed"])
def test_each_step_is_told_with_its_numbers(base: Path, tmp_path: Path, batching: str) -> None:
    tracker = Recorder()
    result = train(
        settings(batching=batching, max_length=128),
        *(rows(11), rows(3), base, tmp_path / "model", tmp_path / "work"),
        SilentProgress(),
        tracker,
    )
    points = [point for batch in tracker.batches for point in batch]
    steps = [point for point in points if "history.loss" in point.values]
    count = result.statistics["steps"]
    assert [point.step for point in steps] == list(range(1, count + 1))
    for name in ("loss", "learning_rate", "grad_norm", "epoch"):
        told = [point[name] for point in result.statistics["history"] if "loss" in point]
        assert [point.values[f"history.{name}"] for point in steps] == told, name
    seen = [point.values["history.trained_tokens"] for point in steps]
    assert seen == sorted(set(seen))
    assert seen[-1] == 2 * result.statistics["trained_tokens"], "two epochs"
    assert seen[count // 2 - 1] == result.statistics["trained_tokens"]
    assert all(point.values["history.trained_tokens_per_second"] > 0 for point in steps)
    assert all(point.values["history.peak_memory_mib"] > 50 for point in steps)
    measured = {point.step: point.values["history.validation_loss"] for point in points if point not in steps}
    assert measured == {
        point["step"]: point["validation_loss"]
        for point in result.statistics["history"]
        if "validation_loss" in point
    }
