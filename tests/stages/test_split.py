"""The split: whole families, the fewest validation rows, even categories, the same draw every time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.config import SplitConfig, SplitSettings
from gukbap.errors import InputError
from gukbap.schemas import Message, Row
from gukbap.stages.split import SplitResult, split
from tests.lineages import lineage


def family_rows(families: Mapping[str, tuple[str, int]]) -> list[Row]:
    """Rows of families given as seed id → (category, size), the families' rows interleaved."""
    rows = [
        (
            number,
            Row(
                id=f"{seed_id}.{number}",
                category=category,
                messages=[Message(role="user", content="질문"), Message(role="assistant", content="답")],
                lineage=lineage(seed_id, round=number),
            ),
        )
        for seed_id, (category, size) in families.items()
        for number in range(size)
    ]
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def divide(rows: Sequence[Row], wanted: int, seed: int = 42) -> SplitResult:
    return split(SplitSettings(seed=seed, split=SplitConfig(validation_rows=wanted)), rows)


def uniform(categories: int, families: int, size: int) -> list[Row]:
    return family_rows(
        {f"c{c}-{f}": (f"category {c}", size) for c in range(categories) for f in range(families)}
    )


def seeds_of(rows: Sequence[Row]) -> set[str]:
    return {row.lineage.seed_id for row in rows}


def test_the_published_size_is_met_exactly_and_evenly() -> None:
    rows = uniform(categories=7, families=60, size=5)
    result = divide(rows, 200)
    by_category = Counter(row.category for row in result.validation)
    assert len(result.validation) == 200
    assert sorted(by_category.values()) == [25, 25, 30, 30, 30, 30, 30]
    assert result.statistics["validation_rows"] == 200
    assert result.statistics["validation_by_category"] == dict(by_category)
    assert result.statistics["train_rows"] == len(rows) - 200


def test_as_few_rows_over_as_whole_families_allow() -> None:
    assert len(divide(uniform(categories=2, families=5, size=4), 6).validation) == 8
    rows = family_rows({"a": ("x", 5), "b": ("x", 5), "c": ("x", 3), "d": ("y", 3)})
    assert seeds_of(divide(rows, 6).validation) == {"c", "d"}


def test_a_category_is_not_emptied_without_need() -> None:
    rows = family_rows({"a": ("rare", 2), **{f"b{n}": ("common", 2) for n in range(6)}})
    for seed in range(8):
        assert "a" in seeds_of(divide(rows, 4, seed).train)
    pair = family_rows({"a": ("rare", 3), "b": ("common", 2)})
    assert seeds_of(divide(pair, 3).validation) == {"a"}  # here nothing else fits


def test_rows_keep_their_order_and_the_draw_does_not_depend_on_it() -> None:
    rows = uniform(categories=3, families=8, size=3)
    result = divide(rows, 12)
    place = {row.id: number for number, row in enumerate(rows)}
    for side in (result.train, result.validation):
        assert [place[row.id] for row in side] == sorted(place[row.id] for row in side)
    shuffled = random.Random(1).sample(rows, len(rows))
    assert seeds_of(divide(shuffled, 12).validation) == seeds_of(result.validation)
    assert divide(rows, 12) == result


def test_another_seed_draws_other_families() -> None:
    rows = uniform(categories=3, families=20, size=2)
    assert len({frozenset(seeds_of(divide(rows, 12, seed).validation)) for seed in range(10)}) > 5


@pytest.mark.parametrize(
    ("families", "wanted"),
    [({}, 1), ({"a": ("x", 9)}, 4), ({"a": ("x", 3), "b": ("x", 3)}, 4), ({"a": ("x", 2), "b": ("y", 2)}, 9)],
)
def test_too_few_rows_are_refused_with_the_numbers(families: dict[str, tuple[str, int]], wanted: int) -> None:
    rows = family_rows(families)
    with pytest.raises(InputError) as caught:
        divide(rows, wanted)
    message = str(caught.value)
    assert f"{len(rows)} rows" in message
    assert f"validation_rows {wanted}" in message
    assert "next: lower split.validation_rows" in message


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 4)), min_size=2, max_size=8),
    st.integers(1, 12),
    st.integers(0, 3),
)
def test_every_split_is_whole_complete_and_least(
    drawn: list[tuple[str, int]], wanted: int, seed: int
) -> None:
    families = {f"f{number}": family for number, family in enumerate(drawn)}
    rows = family_rows(families)
    sums = {0}
    for _, size in drawn:
        sums |= {total + size for total in sums}
    possible = [total for total in sums if wanted <= total < len(rows)]
    if not possible:
        with pytest.raises(InputError):
            divide(rows, wanted, seed)
        return
    result = divide(rows, wanted, seed)
    assert len(result.validation) == min(possible)
    assert not seeds_of(result.train) & seeds_of(result.validation)
    assert sorted(row.id for row in [*result.train, *result.validation]) == sorted(row.id for row in rows)
    assert result.train
