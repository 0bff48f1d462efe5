"""The loss curves of a training run, read from its statistics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TRAINING = ("loss", "train_loss", "training_loss")


@dataclass(frozen=True)
class Series:
    """One curve: a loss in nats a token over optimiser steps."""

    key: str
    steps: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def validation(self) -> bool:
        """Whether it was measured on the validation rows."""
        return self.key not in _TRAINING

    @property
    def secondary(self) -> bool:
        """Whether it counts the prompt's tokens too, not the answers' alone."""
        return "full" in self.key

    @property
    def label(self) -> str:
        """The curve's name for a reader."""
        if not self.validation:
            return "training"
        return f"validation, {'whole sequence' if self.secondary else 'answers'}"


def loss_series(train: Mapping[str, Any] | None) -> list[Series]:
    """Every loss in `history` (a list of points with `step` and numbers), training curves first."""
    points: dict[str, list[tuple[float, float]]] = {}
    for point in (train or {}).get("history", []):
        for key, value in point.items():
            if "loss" in key and isinstance(value, int | float) and math.isfinite(value):
                points.setdefault(key, []).append((float(point["step"]), float(value)))
    series = [
        Series(key, tuple(step for step, _ in found), tuple(value for _, value in found))
        for key, found in points.items()
    ]
    return sorted(series, key=lambda one: (one.validation, one.secondary, one.key))
