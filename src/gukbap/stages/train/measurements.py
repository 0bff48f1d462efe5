"""Validation losses by step, kept across interruptions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gukbap.files import read_json, write_json
from gukbap.stages.train.validation import CATEGORY, perplexity


class Measurements:
    """Answer-only and full-sequence losses after so many optimiser steps; 0 is the untrained model.

    Args:
        path: where the points are kept, and found again.
        writes: whether this process writes them; several processes measure the same.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        self._path, self._writes = path, writes
        kept = read_json(path) if path.exists() else {}
        self._points: dict[int, dict[str, float]] = {int(step): point for step, point in kept.items()}

    def __contains__(self, step: int) -> bool:
        return step in self._points

    def record(self, step: int, epoch: float, losses: dict[str, float]) -> None:
        """Keep the losses measured after `step` optimiser steps."""
        self._points[step] = {"epoch": epoch, **losses}
        if self._writes:
            write_json(self._path, {str(step): point for step, point in self._points.items()})

    def point(self, step: int) -> dict[str, Any]:
        """One point as a training's history has it."""
        point = self._points[step]
        return {
            "step": step,
            "epoch": point["epoch"],
            "validation_loss": point["answer_loss"],
            "validation_full_loss": point["full_loss"],
        }

    @property
    def points(self) -> list[dict[str, Any]]:
        """All points in the order of their steps."""
        return [self.point(step) for step in sorted(self._points)]

    def by_category(self) -> dict[str, dict[str, float]]:
        """For each category of the validation rows: loss before and after training, and perplexity after."""
        return {
            name.removeprefix(CATEGORY): {
                "base_loss": self.first[name],
                "validation_loss": loss,
                "validation_perplexity": perplexity(loss),
            }
            for name, loss in self.last.items()
            if name.startswith(CATEGORY) and name in self.first
        }

    @property
    def first(self) -> dict[str, float]:
        """The untrained model's losses."""
        return self._points[0]

    @property
    def last(self) -> dict[str, float]:
        """The losses after the last measured step."""
        return self._points[max(self._points)]
