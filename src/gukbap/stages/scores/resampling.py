"""What chance can do: intervals and p-values that resample questions, never single turns.

The question is the cluster: its two turns belong together, since turn 2 builds on turn 1 (clustered
errors as in Miller 2024, arXiv 2411.00640).
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import ndtr, stdtrit

RESAMPLES = 10_000
LEVEL = 0.95
#: Up to so many questions every combination of signs is counted (2^13 = 8,192) instead of drawn.
EXACT_FLIPS = 13

Floats = NDArray[np.float64]


class Interval(BaseModel):
    """A 95 % interval of a cluster bootstrap over questions, in points of 0–10."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Whether a value lies inside."""
        return self.low <= value <= self.high


def overall(totals: Floats, counts: Floats) -> Floats:
    """(mean of turn 1 + mean of turn 2) / 2, LogicKor's overall; NaN where a turn has nothing.

    Args:
        totals: sums of scores, shape [..., 2].
        counts: how many scores each sum has, same shape.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((totals / counts).mean(axis=-1))


def pooled(totals: Floats, counts: Floats) -> Floats:
    """The mean over both turns together, LogicKor's cell of a category; shapes as in `overall`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals.sum(axis=-1) / counts.sum(axis=-1))


def resampled(values: Floats, seed: int, resamples: int, *, pool: bool = False) -> Floats:
    """The statistic of so many draws of questions with replacement.

    Args:
        values: scores (or differences of scores) of n questions, shape [n, 1 or 2 turns], NaN: none.
        seed: of the draws; equal seeds draw the same questions for any values.
        resamples: how many draws.
        pool: the statistic is `pooled` instead of `overall`.

    Returns:
        Shape [at most resamples]: a draw without any score in a turn says nothing and is left out.
    """
    weights = _draws(len(values), seed, resamples)
    scored = np.isfinite(values)
    totals: Floats = weights @ np.where(scored, values, 0.0)
    counts: Floats = weights @ scored.astype(np.float64)
    found = (pooled if pool else overall)(totals, counts)
    return found[np.isfinite(found)]


def interval(values: Floats, seed: int, resamples: int, *, pool: bool = False) -> Interval | None:
    """The 95 % interval of `resampled`: None with fewer than two scored questions in a turn.

    The percentiles are widened for few clusters: a bootstrap's spread is too narrow by
    √((n − 1)/n), and n − 1 degrees of freedom ask for Student's t in the normal's place (the
    "expanded percentile" interval, Hesterberg 2015, doi:10.1080/00031305.2015.1089789).
    """
    if len(values) < 2 or (np.isfinite(values).sum(axis=0) < 2).any():
        return None
    tail = 100 * _expanded_tail(len(values))
    low, high = np.percentile(resampled(values, seed, resamples, pool=pool), [tail, 100 - tail])
    return Interval(low=float(low), high=float(high))


def bootstrap_p(values: Floats, seed: int, resamples: int, *, pool: bool = False) -> float:
    """Two-sided p-value of a zero mean: twice the smaller share of draws at or beyond zero."""
    found = resampled(values, seed, resamples, pool=pool)
    beyond = min(int((found <= 0).sum()), int((found >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (len(found) + 1))


def permutation_p(values: Floats, seed: int, resamples: int) -> float:
    """Two-sided p-value of the overall difference when each question's sign is flipped at random.

    Under the null hypothesis A and B could have changed places on any question. All combinations
    are counted for up to EXACT_FLIPS questions; otherwise `resamples` are drawn and the data's own
    counts as one of them (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585), so p is never zero.

    Args:
        values: paired differences, shape [n, 2], NaN where a turn has none.
    """
    signs = _signs(len(values), seed, resamples)
    scored = np.isfinite(values)
    counts = scored.sum(axis=0).astype(np.float64)
    found = np.abs(overall(signs @ np.where(scored, values, 0.0), counts))
    observed = float(np.abs(overall(np.nansum(values, axis=0), counts)))
    return _share_at_least(found, observed)


def step_down_p(groups: list[Floats], seed: int, resamples: int) -> list[float]:
    """Adjusted p-values of several groups of questions, for looking at all of them at once.

    Step-down max-T (Westfall & Young 1993, algorithm 4.1) over the same flips of signs as
    `permutation_p`, with the group's mean difference in points as the statistic: every group has
    the same scale. The share of false findings in any group stays at the level. (Bonferroni or Holm
    over exact tests could never find anything here: seven questions give no p below 2/128.)

    Args:
        groups: paired differences of each group's questions, shapes [n_g, 2], NaN where none.

    Returns:
        One p-value a group, 1.0 for a group without any difference.
    """
    sizes = [len(group) for group in groups]
    signs = _signs(sum(sizes), seed, resamples)
    observed, flipped = [], []
    start = 0
    for group, size in zip(groups, sizes, strict=True):
        scored = np.isfinite(group)
        count = max(int(scored.sum()), 1)
        sums = np.where(scored, group, 0.0).sum(axis=1)
        flipped.append(np.abs(signs[:, start : start + size] @ sums) / count)
        observed.append(abs(float(sums.sum())) / count)
        start += size
    order = sorted(range(len(groups)), key=lambda index: observed[index])
    found = [1.0] * len(groups)
    highest = np.zeros(len(signs))
    for index in order:
        highest = np.maximum(highest, flipped[index])
        found[index] = _share_at_least(highest, observed[index]) if observed[index] > 0 else 1.0
    # A larger difference is never less sure than a smaller one after correction.
    for smaller, larger in zip(reversed(order[:-1]), reversed(order[1:]), strict=True):
        found[smaller] = max(found[smaller], found[larger])
    return found


def _share_at_least(found: Floats, observed: float) -> float:
    # Equal sums that were added in another order differ in their last bits.
    return float((found >= observed - 1e-9).mean())


@lru_cache(maxsize=32)
def _draws(count: int, seed: int, resamples: int) -> Floats:
    generator = np.random.default_rng(seed)
    return generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)


@lru_cache(maxsize=32)
def _signs(count: int, seed: int, resamples: int) -> Floats:
    if count <= EXACT_FLIPS:
        return np.array(list(product((1.0, -1.0), repeat=count)))
    drawn = np.random.default_rng(seed).choice(np.array([1.0, -1.0]), size=(resamples, count))
    drawn[0] = 1.0
    return drawn


def _expanded_tail(count: int) -> float:
    """The share below the interval: Φ(−√(n/(n−1)) · t), with t of n − 1 degrees of freedom."""
    return float(ndtr(-np.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 + LEVEL) / 2)))
