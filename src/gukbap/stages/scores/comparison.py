"""Whether one judged run is better than another: paired by question and turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES, STRATEGIES, Judgement
from gukbap.stages.scores import resampling
from gukbap.stages.scores.resampling import LEVEL, RESAMPLES, Floats, Interval
from gukbap.stages.scores.slots import Slots, slots
from gukbap.stages.scores.table import _Table

Verdict = Literal["better", "worse", "cannot tell"]
ALPHA = 1 - LEVEL


class CategoryDifference(_Table):
    """A minus B in one category, looked at together with the other five."""

    difference: float | None
    #: for this category alone
    interval: Interval | None
    #: corrected for looking at six categories (resampling.step_down_p)
    adjusted_p: float
    verdict: Verdict
    questions: int


class Comparison(_Table):
    """`overall` of A minus that of B on the questions and turns that are scored in both."""

    a: str
    b: str
    #: A's strategy
    strategy: str
    #: points of 0–10
    difference: float | None
    interval: Interval | None
    #: two-sided, of the hypothesis that A and B are alike (resampling.bootstrap_p, permutation_p)
    bootstrap_p: float | None
    permutation_p: float | None
    #: better or worse: the interval leaves zero out and both p-values are at most 0.05
    verdict: Verdict
    categories: dict[str, CategoryDifference] = Field(default_factory=dict)
    #: questions with at least one turn scored in both
    questions: int
    #: turns scored in both, of those judged in both
    pairs: int
    judged_pairs: int

    @property
    def significant(self) -> bool:
        """Whether the verdict tells A and B apart."""
        return self.verdict != "cannot tell"


def paired_difference(
    a: Sequence[Judgement], b: Sequence[Judgement], *, seed: int = 0, resamples: int = RESAMPLES
) -> list[Comparison]:
    """A compared with B (tuned with base) under every strategy that both have."""
    strategies = dict.fromkeys([*STRATEGIES, *(judgement.strategy for judgement in a)])
    pairs = [
        ([j for j in a if j.strategy == strategy], [j for j in b if j.strategy == strategy])
        for strategy in strategies
    ]
    return [compare(*pair, seed=seed, resamples=resamples) for pair in pairs if all(pair)]


def compare(
    a: Sequence[Judgement],
    b: Sequence[Judgement],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
    any_judge: bool = False,
) -> Comparison:
    """A minus B for two groups of one model and strategy each, every question its own partner.

    Pairing takes the questions' own difficulty out, so the interval is narrower than two separate
    ones. A turn that either lacks a score for is left out on both sides.

    Args:
        a: judgements of one subject and strategy.
        b: judgements of another, or of another strategy.
        seed: of the resampling.
        resamples: draws of questions, and of signs.
        any_judge: whether two judges may have scored the pair.

    Raises:
        InputError: a group is empty or mixes subjects or strategies, a turn is judged twice, two
            judges scored the pair, or a question stands in two categories.
    """
    left, right = _one_run(a), _one_run(b)
    if left.judge != right.judge and not any_judge:
        raise InputError(
            f"the compared answers have two judges: {left.judge} and {right.judge}",
            expected="scores of one judge",
            fix="judge both with the same model",
        )
    shared, differences = _differences(left, right)
    interval = resampling.interval(differences, seed, resamples)
    difference = _value(differences)
    bootstrap_p = resampling.bootstrap_p(differences, seed, resamples) if interval else None
    permutation_p = resampling.permutation_p(differences, seed, resamples) if interval else None
    return Comparison(
        a=_name(a),
        b=_name(b),
        strategy=a[0].strategy,
        difference=difference,
        interval=interval,
        bootstrap_p=bootstrap_p,
        permutation_p=permutation_p,
        verdict=_verdict(difference, interval, [bootstrap_p, permutation_p]),
        categories=_categories(shared, differences, seed, resamples),
        questions=len(differences),
        pairs=int(np.isfinite(differences).sum()),
        judged_pairs=len({j.slot for j in a} & {j.slot for j in b}),
    )


def _one_run(group: Sequence[Judgement]) -> Slots:
    if not group:
        raise InputError("nothing to compare: one of the groups has no judgement")
    names = sorted({_name([judgement]) for judgement in group})
    if len(names) > 1:
        raise InputError(
            f"one side of the comparison holds {', '.join(names)}",
            expected="one model under one strategy on each side",
            fix="give one judged file for A and one for B",
        )
    return slots(group)


def _name(group: Sequence[Judgement]) -> str:
    return f"{group[0].subject} {group[0].strategy}"


def _differences(left: Slots, right: Slots) -> tuple[list[str], Floats]:
    """The categories of the questions with a turn scored in both, and the differences, [n, 2]."""
    places = {question: index for index, question in enumerate(right.questions)}
    categories, lines = [], []
    for index, question in enumerate(left.questions):
        if question not in places:
            continue
        other = places[question]
        if left.categories[index] != right.categories[other]:
            raise InputError(
                f"question {question} is {left.categories[index]} in one file and "
                f"{right.categories[other]} in the other",
                expected="two runs over the same questions",
            )
        line = left.scores[index] - right.scores[other]
        if np.isfinite(line).any():
            categories.append(left.categories[index])
            lines.append(line)
    return categories, np.array(lines).reshape(-1, 2)


def _value(differences: Floats) -> float | None:
    counts = np.isfinite(differences).sum(axis=0).astype(np.float64)
    if not counts.all():
        return None
    return float(resampling.overall(np.nansum(differences, axis=0), counts))


def _categories(
    names: list[str], differences: Floats, seed: int, resamples: int
) -> dict[str, CategoryDifference]:
    groups = {c: differences[[name == c for name in names]] for c in CATEGORIES if c in names}
    adjusted = resampling.step_down_p(list(groups.values()), seed, resamples) if groups else []
    found = {}
    for (category, group), p in zip(groups.items(), adjusted, strict=True):
        interval = resampling.interval(group, seed, resamples, pool=True)
        difference = float(np.nanmean(group))
        found[category] = CategoryDifference(
            difference=difference,
            interval=interval,
            adjusted_p=p,
            verdict=_verdict(difference, interval, [p]),
            questions=len(group),
        )
    return found


def _verdict(difference: float | None, interval: Interval | None, p: Sequence[float | None]) -> Verdict:
    if difference is None or interval is None or interval.holds(0.0):
        return "cannot tell"
    if any(value is None or value > ALPHA for value in p):
        return "cannot tell"
    return "better" if difference > 0 else "worse"
