"""The course of a training, told to a tracker while it lasts, by one process.

Training never waits for the tracker: points are handed over in batches by a thread of their own, and a
tracker that fails is tried again. What it had not got in the end stands in the statistics all the same.
"""

from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import TrainerCallback

from gukbap.errors import GukbapError
from gukbap.ports import HISTORY, Point, Progress, Tracker
from gukbap.stages.train.items import TrainingItems

#: Seconds between two batches; after a failure twice as long, up to the most.
PAUSE, LONGEST_PAUSE = 5.0, 300.0
#: How long the end of a training waits for the last batch. (An evicted pod has 30 seconds for everything.)
LAST_SECONDS = 15.0
#: of what transformers' Trainer logs of a step
_LOGGED = ("loss", "learning_rate", "grad_norm")
_MIB = 1 << 20


class LiveSeries:
    """Points on their way to a tracker. Its methods return at once."""

    def __init__(self, tracker: Tracker, progress: Progress) -> None:
        self._tracker, self._progress = tracker, progress
        self._points: list[Point] = []
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._hand_over, name="live-series", daemon=True)
        self._thread.start()

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers that were measured now (`step` among them is no number of its own)."""
        named = {f"{HISTORY}{name}": value for name, value in values.items() if name != "step"}
        with self._lock:
            self._points.append(Point(step, named, time.time()))

    def close(self) -> None:
        """Hand over what is left, for a while."""
        self._closing.set()
        self._thread.join(LAST_SECONDS)

    def _hand_over(self) -> None:
        pause = PAUSE
        closing = False
        while not closing:
            closing = self._closing.wait(pause)
            with self._lock:
                points, self._points = self._points, []
            if not points:
                continue
            try:
                self._tracker.series(points)
                pause = PAUSE
            except GukbapError as error:
                if pause == PAUSE:
                    self._progress.say(f"training goes on untracked for now: {error.problem}")
                pause = min(2 * pause, LONGEST_PAUSE)
                with self._lock:
                    self._points = points + self._points


@contextmanager
def live_series(tracker: Tracker | None, progress: Progress) -> Iterator[LiveSeries | None]:
    """A LiveSeries that is closed in the end; None where nothing is tracked."""
    if tracker is None or tracker.run_id is None:
        yield None
        return
    series = LiveSeries(tracker, progress)
    try:
        yield series
    finally:
        series.close()


class StepSeries(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
    """Adds a point for each optimiser step: loss, learning rate, gradient norm, answer tokens, memory.

    Args:
        seconds: training time so far; saving counts, evaluation does not.
    """

    def __init__(self, series: LiveSeries, items: TrainingItems, seconds: Callable[[], float]) -> None:
        self._series, self._seconds = series, seconds
        self._answers = _AnswerTokens(items)
        self._before = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The first step's time begins here."""
        self._before = self._seconds()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        """Called after each step, and once with the training's means."""
        if "loss" not in logs:
            return
        now = self._seconds()
        tokens, seen = self._answers.of_step(state.global_step)
        self._series.add(
            state.global_step,
            {
                **{
                    name: float(logs[name]) for name in ("loss", "learning_rate", "grad_norm") if name in logs
                },
                "epoch": float(state.epoch),
                "trained_tokens": float(seen),
                "trained_tokens_per_second": tokens / max(now - self._before, 1e-6),
                "peak_memory_mib": peak_memory() / _MIB,
            },
        )
        self._before = now


class _AnswerTokens:
    """How many tokens each step trains; an epoch's steps are counted once."""

    def __init__(self, items: TrainingItems) -> None:
        self._items = items
        self._epoch, self._sums = -1, [0]

    def of_step(self, step: int) -> tuple[int, int]:
        """Of a step (from 1), and of all steps up to it."""
        epoch, within = divmod(step - 1, self._items.epoch_steps)
        if epoch != self._epoch:
            counts = self._items.trained_tokens_by_step(epoch)
            self._epoch, self._sums = epoch, [0, *itertools.accumulate(counts)]
        # Every epoch has the same rows.
        seen = epoch * self._sums[-1] + self._sums[within + 1]
        return self._sums[within + 1] - self._sums[within], seen


def peak_memory() -> int:
    """The most that this process has held: bytes of its GPU's tensors, or resident ones."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts KiB
