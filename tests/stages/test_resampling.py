"""Intervals and p-values: known values, invariances, and what they must never say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.stages.scores import compare, score_table
from gukbap.stages.scores.resampling import (
    bootstrap_p,
    interval,
    permutation_p,
    resampled,
    step_down_p,
)
from tests.judgements import judgement

RESAMPLES = 2_000


def column(*values: float) -> np.ndarray:
    """Equal values in both turns."""
    return np.array([[value, value] for value in values])


def test_permutation_p_of_few_questions_is_counted_exactly() -> None:
    # All three signs alike happens in 2 of 8 flips; one against two, at least as far out, in all 8.
    assert permutation_p(column(1, 1, 1), 0, RESAMPLES) == 2 / 8
    assert permutation_p(column(1, 1, -1), 0, RESAMPLES) == 1.0
    assert permutation_p(column(*[2.0] * 10), 0, RESAMPLES) == 2 / 1024


def test_permutation_p_is_never_zero_and_is_seeded() -> None:
    values = column(*np.linspace(1, 3, 42))
    assert permutation_p(values, 0, RESAMPLES) == 1 / RESAMPLES
    mixed = column(*np.linspace(-1, 2, 42))
    assert permutation_p(mixed, 1, RESAMPLES) == permutation_p(mixed, 1, RESAMPLES)
    assert permutation_p(mixed, 1, RESAMPLES) == pytest.approx(permutation_p(mixed, 2, RESAMPLES), abs=0.02)


def test_interval_of_normal_means_is_student_s() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(5, 2, size=(42, 1))
    found = interval(values, 0, 20_000)
    margin = 2.0195 * values.std(ddof=1) / 42**0.5  # t of 41 degrees of freedom
    assert found is not None
    assert (found.high - found.low) / 2 == pytest.approx(margin, rel=0.03)


def test_too_little_gives_no_interval() -> None:
    assert interval(column(3.0), 0, RESAMPLES) is None
    assert interval(np.array([[1.0, np.nan], [2.0, 5.0], [3.0, np.nan]]), 0, RESAMPLES) is None


def test_a_missing_turn_is_left_out_of_every_draw() -> None:
    values = np.array([[4.0, np.nan], [4.0, 8.0], [4.0, 8.0]])
    assert set(np.unique(resampled(values, 0, RESAMPLES))) == {6.0}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-10, 10), min_size=3, max_size=12))
def test_p_values_do_not_depend_on_who_is_called_a(values: list[int]) -> None:
    differences = column(*map(float, values))
    assert permutation_p(differences, 0, RESAMPLES) == permutation_p(-differences, 0, RESAMPLES)
    assert bootstrap_p(differences, 0, RESAMPLES) == bootstrap_p(-differences, 0, RESAMPLES)


def test_one_group_alone_needs_no_correction() -> None:
    values = column(1, 2, 3, -1, 2, 2, 4)
    assert step_down_p([values], 0, RESAMPLES) == [permutation_p(values, 0, RESAMPLES)]


def test_six_looks_cost_something_and_keep_the_order() -> None:
    generator = np.random.default_rng(3)
    groups = [column(*generator.normal(shift, 2, 7)) for shift in (0, 0.5, 1, 2, 3, 6)]
    adjusted = step_down_p(groups, 0, RESAMPLES)
    alone = [permutation_p(group, 0, RESAMPLES) for group in groups]
    assert all(a >= b - 0.02 for a, b in zip(adjusted, alone, strict=True))
    sizes = [abs(group.mean()) for group in groups]
    by_size = [adjusted[index] for index in np.argsort(sizes)]
    assert by_size == sorted(by_size, reverse=True)
    # A category that is better on every question by far can be found at all.
    assert adjusted[5] <= 0.05


def test_false_findings_in_any_of_six_categories_stay_at_the_level() -> None:
    generator = np.random.default_rng(5)
    found = 0
    for _ in range(300):
        groups = [generator.normal(0, 3, size=(7, 1)).repeat(2, axis=1) for _ in range(6)]
        found += min(step_down_p(groups, 0, 1_000)) <= 0.05
    # 5 % of 300 is 15; 27 is three standard deviations above.
    assert 2 <= found <= 27


def test_spread_tells_the_judge_from_the_questions() -> None:
    generator = np.random.default_rng(1)
    steady = [judgement(q, t, float(q % 11), sample=k) for q in range(42) for t in (1, 2) for k in (1, 2, 3)]
    wavering = [
        judgement(q, t, float(np.clip(5 + generator.normal(0, 2), 0, 10)), sample=k)
        for q in range(42)
        for t in (1, 2)
        for k in (1, 2, 3)
    ]
    first, second = (score_table(group).rows[0].spread for group in (steady, wavering))
    assert first is not None and second is not None
    assert first.judge == 0.0 and first.questions > 0.3
    # The overall of 84 slots, three verdicts each, standard deviation about 2.
    assert second.judge == pytest.approx(2 / (84 * 3) ** 0.5, rel=0.15)
    assert second.questions < 0.08
    once = score_table([j for j in steady if j.sample == 1]).rows[0].spread
    assert once is not None and once.judge is None


def test_several_verdicts_on_a_turn_weigh_as_one() -> None:
    twice = [judgement(0, 1, 2.0, sample=1), judgement(0, 1, 4.0, sample=2)]
    rest = [judgement(q, t, 9.0) for q in range(4) for t in (1, 2) if (q, t) != (0, 1)]
    (row,) = score_table([*twice, *rest]).rows
    assert row.single == pytest.approx((3 + 9 + 9 + 9) / 4)


def test_alike_runs_cannot_be_told_apart() -> None:
    run = [judgement(q, t, float((q + t) % 11)) for q in range(42) for t in (1, 2)]
    found = compare(run, [one.model_copy(update={"subject": "base"}) for one in run])
    assert (found.verdict, found.difference, found.permutation_p) == ("cannot tell", 0.0, 1.0)
    assert {one.verdict for one in found.categories.values()} == {"cannot tell"}
