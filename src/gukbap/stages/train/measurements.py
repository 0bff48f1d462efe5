"""What the evaluations of a training have found, by step, kept across interruptions."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gukbap.files import read_json, write_json

#: what the names of categories' losses begin with
CATEGORY = "category/"
#: what else a point of a training's history has, where it was measured
_HISTORY = {"answer_loss": "validation_loss", "full_loss": "validation_full_loss", "dev_score": "dev_score"}


def perplexity(loss: float) -> float:
    """Of a mean cross-entropy in nats a token."""
    return math.exp(min(loss, 700.0))  # beyond that it is no float


class Measurements:
    """Losses, and the dev set's scores and answers, after so many optimiser steps; 0 is the untrained model.

    Args:
        path: where the points are kept, and found again.
        writes: whether this process writes them; all processes have the same.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._path, self._writes = path, writes
        kept = read_json(path) if path.exists() else {}
        self._points: dict[int, dict[str, Any]] = {int(step): point for step, point in kept.items()}

    def __contains__(self, step: int) -> bool:
        return step in self._points

    def record(self, step: int, epoch: float, measured: dict[str, Any]) -> None:
        """Keep what was measured after `step` optimiser steps."""
        self._points[step] = {"epoch": epoch, **measured}
        if self._writes:
            write_json(self._path, {str(step): point for step, point in self._points.items()})

    def share(self, from_first: Callable[[Any], Any]) -> None:
        """Take the first process's points: a network file system may show others another file."""
        self._points = from_first(self._points)

    def until(self, step: float = math.inf) -> list[dict[str, Any]]:
        """Everything measured up to a step, in the order of the steps, each point with its `step`."""
        return [{"step": at, **self._points[at]} for at in sorted(self._points) if at <= step]

    def history_point(self, step: int) -> dict[str, Any]:
        """A point's numbers as a training's history has them."""
        point = self._points[step]
        numbers = {name: point[key] for key, name in _HISTORY.items() if key in point}
        return {"step": step, "epoch": point["epoch"], **numbers}

    @property
    def history(self) -> list[dict[str, Any]]:
        """All points as a training's history has them, in the order of their steps."""
        return [self.history_point(step) for step in sorted(self._points)]

    def at(self, step: int) -> dict[str, Any]:
        """What was measured after `step` optimiser steps."""
        return self._points[step]

    def by_category(self, step: int) -> dict[str, dict[str, float]]:
        """For each category of the validation rows: loss before training and at a step, and perplexity
        there."""
        base = self._points[0]
        return {
            name.removeprefix(CATEGORY): {
                "base_loss": base[name],
                "validation_loss": loss,
                "validation_perplexity": perplexity(loss),
            }
            for name, loss in self._points[step].items()
            if name.startswith(CATEGORY) and name in base
        }
