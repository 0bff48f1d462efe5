"""Which evaluated checkpoint becomes the model, and when to stop looking for a better one.

Everything here is a function of the measured points alone: a training that was interrupted at any moment
decides as one that was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gukbap.config import SelectionRule, TrainConfig

#: Dev scores count as equal that are so to two decimals: of some twenty prompts, less is one rule on one
#: prompt. Then the validation loss decides.
DECIMALS = 2

Point = Mapping[str, Any]


def chosen(points: Sequence[Point], rule: SelectionRule) -> Point:
    """The point that is exported; of equal ones the earliest. The untrained model's (step 0) never is.

    Args:
        points: in the order of their steps, each with `step`, `answer_loss` and, by `dev_score`, `dev_score`.
    """
    trained = [point for point in points if point["step"] > 0]
    return trained[-1] if rule == "last" else min(trained, key=lambda point: _rank(point, rule))


def stops(points: Sequence[Point], train: TrainConfig) -> bool:
    """Whether the last points, as many as `early_stopping_patience`, were no better than one before."""
    patience = train.early_stopping_patience
    if patience is None:
        return False
    best: Point | None = None
    since = 0
    for point in points:
        if point["step"] == 0:
            continue
        if best is None or _better(point, best, train):
            best, since = point, 0
        else:
            since += 1
    return since >= patience


def _rank(point: Point, rule: SelectionRule) -> tuple[float, ...]:
    """The less, the better."""
    if rule == "dev_score":
        return (-_dev_score(point), point["answer_loss"])
    return (point["answer_loss"],)


def _better(point: Point, best: Point, train: TrainConfig) -> bool:
    """Better by more than `early_stopping_min_delta` in what decides between the two."""
    if train.selection == "dev_score" and _dev_score(point) != _dev_score(best):
        return _dev_score(point) > _dev_score(best) + train.early_stopping_min_delta
    return bool(point["answer_loss"] < best["answer_loss"] - train.early_stopping_min_delta)


def _dev_score(point: Point) -> float:
    return round(float(point["dev_score"]), DECIMALS)
