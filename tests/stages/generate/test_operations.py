"""The draw of an operation."""

from __future__ import annotations

from collections import Counter

import pytest

from gukbap.stages.generate.operations import IN_DEPTH, OPERATIONS, draw_operation


def _counts(breadth_share: float, draws: int = 6000) -> Counter[str]:
    return Counter(draw_operation(7, f"row-{number}", 1, breadth_share) for number in range(draws))


def test_a_sixth_of_breadth_makes_all_alike() -> None:
    counts = _counts(1 / 6)
    assert set(counts) == set(OPERATIONS)
    # Standard deviation of a count is √(6000 · 1/6 · 5/6) ≈ 29.
    assert all(abs(count - 1000) < 4 * 29 for count in counts.values())


@pytest.mark.parametrize(("share", "expected"), [(0.0, set(IN_DEPTH)), (1.0, {"breadth"})])
def test_extreme_shares(share: float, expected: set[str]) -> None:
    assert set(_counts(share, draws=300)) == expected


def test_draw_depends_on_seed_row_and_round() -> None:
    def draws(seed: int, round_number: int) -> list[str]:
        return [draw_operation(seed, f"row-{number}", round_number, 1 / 6) for number in range(50)]

    assert draws(1, 1) == draws(1, 1)
    assert draws(1, 1) != draws(2, 1)
    assert draws(1, 1) != draws(1, 2)
