"""Which categories a model is weak in, by more than chance: their share of the next seeds, and rounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist, fmean

from gukbap.config import MOST_ROUNDS, WeaknessConfig
from gukbap.schemas import CATEGORIES, SEED_CATEGORIES
from gukbap.stages.scores import LEVEL, ScoreRow

#: LogicKor's category → that of the seeds; seeds of other categories (everyday) are not judged
JUDGED_CATEGORIES = dict(zip(CATEGORIES, SEED_CATEGORIES, strict=False))
#: the best score of LogicKor's rubric
_FULL = 10.0
#: with fewer categories their spread is not told from noise
_LEAST_CATEGORIES = 3
#: points that count as lacking at full marks, so that every category has a weight that can grow
_LEAST_LACK = 0.01
#: digits that a recipe holds of a weight
_DIGITS = 3


@dataclass(frozen=True)
class CategoryNeed:
    """What a category's score comes to.

    Attributes:
        category: of the seeds.
        score: 0–10; None where nothing was scored.
        error: the standard error of `score`, points; None where there is no interval.
        shrunk: `score` drawn towards the mean of all, as far as chance can explain its distance.
        weight: share of the seeds against an even one.
        rounds: of evolution.
    """

    category: str
    score: float | None
    error: float | None
    shrunk: float | None
    weight: float
    rounds: int


def category_needs(row: ScoreRow, config: WeaknessConfig, rounds: int) -> list[CategoryNeed]:
    """Weigh the categories by a model's scores.

    A category of seven questions is noisy, so its score x is shrunk towards the mean m of all categories
    (parametric empirical Bayes, Morris 1983, doi:10.1080/01621459.1983.10477920):

        shrunk = m + A / (A + V) · (x − m)

    with V the squared standard error of x, and A the variance of the true scores, by moments: the variance
    of the scores less the mean of V, at least 0. V is taken as no less than its mean over the categories:
    seven equal scores by chance would make a category look certain. The standard error is the interval's
    half width over 1.96; what the interval has for few questions (Student's t) stays in it.

    A category's weight goes by the points that it lacks to 10, bounded by `max_share_factor` and its
    inverse, with mean 1. Where A is 0 chance explains all, and the weights are even.

    Args:
        row: the model's scores with their intervals.
        config: the bounds.
        rounds: of a category that is not weak.

    Returns:
        In the order of LogicKor's tables; a category without an interval weighs 1.
    """
    scores = {
        name: score
        for name in JUDGED_CATEGORIES
        if (score := row.categories.get(name)) is not None and row.intervals.get(name) is not None
    }
    errors = {name: _standard_error(row, name) for name in scores}
    shrunk = _shrunk(scores, errors)
    weights = _bounded(
        {name: max(_FULL - value, _LEAST_LACK) for name, value in shrunk.items()}, config.max_share_factor
    )
    return [
        CategoryNeed(
            category=category,
            score=row.categories.get(name),
            error=errors.get(name),
            shrunk=shrunk.get(name),
            weight=(weight := weights.get(name, 1.0)),
            rounds=min(rounds + _extra_rounds(weight, config), MOST_ROUNDS),
        )
        for name, category in JUDGED_CATEGORIES.items()
    ]


def _standard_error(row: ScoreRow, category: str) -> float:
    interval = row.intervals[category]
    if interval is None:
        raise ValueError(f"category {category} has no interval")
    return (interval.high - interval.low) / (2 * NormalDist().inv_cdf((1 + LEVEL) / 2))


def _shrunk(scores: Mapping[str, float], errors: Mapping[str, float]) -> dict[str, float]:
    """Empirical Bayes estimates; empty with too few categories to tell their spread."""
    if len(scores) < _LEAST_CATEGORIES:
        return {}
    mean = fmean(scores.values())
    noise = fmean(error**2 for error in errors.values())
    spread = math.fsum((score - mean) ** 2 for score in scores.values()) / (len(scores) - 1)
    between = max(0.0, spread - noise)
    if not between:
        return dict.fromkeys(scores, mean)
    return {
        name: mean + between / (between + max(errors[name] ** 2, noise)) * (score - mean)
        for name, score in scores.items()
    }


def _bounded(lacking: Mapping[str, float], factor: float) -> dict[str, float]:
    """Weights in proportion to `lacking` as far as the bounds let them, with mean 1.

    The scale c for which the mean of min(max(c · lacking, 1/factor), factor) is 1 is found by halving; that
    mean grows with c.
    """
    if not lacking:
        return {}

    def weights(scale: float) -> dict[str, float]:
        return {name: min(max(scale * points, 1 / factor), factor) for name, points in lacking.items()}

    low, high = 0.0, factor / min(lacking.values())
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if fmean(weights(middle).values()) < 1 else (low, middle)
    return {name: round(weight, _DIGITS) for name, weight in weights(high).items()}


def _extra_rounds(weight: float, config: WeaknessConfig) -> int:
    above = (weight - 1) / (config.max_share_factor - 1)
    return math.floor(config.extra_rounds * max(0.0, above) + 0.5)
