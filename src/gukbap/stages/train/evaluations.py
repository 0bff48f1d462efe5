"""When a model under training is evaluated, and what follows from what was found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gukbap.config import TrainConfig
from gukbap.stages.train.measurements import Measurements
from gukbap.stages.train.selection import chosen, stops


class Evaluations:
    """The evaluations of one training; each process has its own, and all decide alike.

    Args:
        measure: evaluates the model as it is, and calls what it is given between any two batches; what it
            gives is equal in all processes.
        tell: is called with each step that was measured.
        epoch_steps, total: optimiser steps of an epoch, and of the training.
    """

    def __init__(
        self,
        train: TrainConfig,
        measurements: Measurements,
        measure: Callable[[Callable[[], None]], dict[str, Any]],
        tell: Callable[[int], None],
        *,
        epoch_steps: int,
        total: int,
    ) -> None:
        self._train, self._measurements = train, measurements
        self._measure, self._tell = measure, tell
        self._every, self._total = train.evaluate_every_steps or epoch_steps, total

    def due(self, step: int) -> bool:
        """Whether the model is evaluated after a step: untrained, every so often, and in the end."""
        return step % self._every == 0 or step == self._total

    def evaluate(self, step: int, epoch: float, pause: Callable[[], None]) -> None:
        """Measure, unless an earlier attempt at the training has; whatever `pause` raises ends it."""
        if step not in self._measurements:
            self._measurements.record(step, epoch, self._measure(pause))
            self._tell(step)

    def best(self, step: int) -> int | None:
        """The step of the best checkpoint among those up to `step`; None where none is evaluated yet, or the
        last one is taken in any case."""
        return best_step(self._measurements, self._train, step)

    def stop(self, step: int) -> bool:
        """Whether no better one has been found for too long."""
        return stops(self._measurements.until(step), self._train)


def best_step(measurements: Measurements, train: TrainConfig, step: int) -> int | None:
    """As `Evaluations.best`."""
    points = [point for point in measurements.until(step) if point["step"] > 0]
    if train.selection == "last" or not points:
        return None
    return int(chosen(points, train.selection)["step"])


def best_in(measurements: Path, train: TrainConfig) -> Callable[[int], int | None]:
    """As `Evaluations.best`, of measurements in a file."""
    found = Measurements(measurements, writes=False)
    return lambda step: best_step(found, train, step)
