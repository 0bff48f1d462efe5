"""The split: whole families, the wanted sizes, shares as of all rows, the same draw every time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.config import SplitConfig, SplitSettings
from gukbap.errors import InputError
from gukbap.schemas import Message, OperationName, Row
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


def divide(rows: Sequence[Row], wanted: int, seed: int = 42, **config: Any) -> SplitResult:
    values = {"validation_rows": wanted, "similarity": None, **config}
    return split(SplitSettings(seed=seed, split=SplitConfig.model_validate(values)), rows)


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
    assert "generate more rows" in message


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


OPERATIONS: tuple[OperationName, ...] = ("constraints", "deepen", "concretize", "reasoning", "breadth")


def made_row(seed_id: str, number: int, category: str, **values: Any) -> Row:
    """A row as generation makes it: the first answers the seed, the others evolve the one before."""
    fields: dict[str, Any] = {
        "operation": OPERATIONS[(number + len(seed_id)) % 5] if number else None,
        "parent_id": f"{seed_id}.{number - 1}" if number else None,
    }
    return Row(
        id=f"{seed_id}.{number}",
        category=category,
        messages=[
            Message(role="user", content=values.pop("text", f"{seed_id} {number}")),
            Message(role="assistant", content="답"),
        ],
        lineage=lineage(seed_id, round=number, **{**fields, **values}),
    )


def card_rows(seeds: int = 210, first: int = 0) -> list[Row]:
    """Rows of the card's recipe in size: seeds of seven categories, 6 to 13 rows each."""
    rows = []
    for number in range(first, first + seeds):
        size = random.Random(number).randint(6, 13)
        rows += [made_row(f"seed-{number}", n, f"category {number % 7}") for n in range(size)]
    return rows


def ids(rows: Sequence[Row]) -> set[str]:
    return {row.id for row in rows}


def test_the_sizes_of_the_card() -> None:
    rows = card_rows(230)
    result = divide(rows, 200, exact=True, train_rows=1849)
    assert (len(result.train), len(result.validation)) == (1849, 200)
    assert len(result.left_out) == result.statistics["left_out_rows"] == len(rows) - 2049 > 0
    assert ids(result.train) | ids(result.validation) | ids(result.left_out) == ids(rows)
    assert not seeds_of(result.validation) & seeds_of(result.train)
    for key, counts in result.statistics.items():
        if key.endswith(("_by_category", "_by_operation")):
            of_all = Counter(
                row.category if key.endswith("category") else row.lineage.operation or "seed" for row in rows
            )
            for name, count in of_all.items():
                share = counts[name] / sum(counts.values())
                assert share == pytest.approx(count / len(rows), abs=0.05), key


def test_operations_keep_near_their_shares_where_families_differ() -> None:
    """Every family has one operation alone; ranks alone would draw any mixture."""
    rows = [
        made_row(f"{n}", place, "x", operation="deepen" if n % 2 else "breadth", parent_id=None)
        for n in range(60)
        for place in range(5)
    ]
    for seed in range(10):
        counts = divide(rows, 50, seed, exact=True).statistics["validation_by_operation"]
        assert min(counts.values()) >= 50 - 1.25 * 25 - 1


def test_parents_and_children_stand_together() -> None:
    rows = [made_row(f"{n}", 0, "x") for n in range(12)]
    rows += [made_row(f"child-{n}", 0, "x", parent_id=f"{n}.0") for n in range(12)]
    for seed in range(5):
        validation = ids(divide(rows, 6, seed).validation)
        assert {row.id for row in rows if row.lineage.parent_id in validation} <= validation
        assert len(validation) == 6


def test_rows_that_are_alike_stand_together() -> None:
    cities = ("서울", "부산", "대구", "인천", "광주", "대전", "울산", "제주")
    requests = ("지하철 노선을 설명해 주세요", "이름난 먹을거리를 골라 보십시오")
    rows = [
        made_row(f"{n}", 0, "x", text=f"{city} {request}")
        for n, (request, city) in enumerate(product(requests, cities))
    ]

    def requests_of(side: Sequence[Row]) -> set[str]:
        return {row.instruction.split(maxsplit=1)[1] for row in side}

    assert len(requests_of(divide(rows, 6).validation)) == 2
    together = divide(rows, 6, similarity=0.5)
    assert len(requests_of(together.validation)) == len(requests_of(together.train)) == 1
    assert (len(together.validation), together.statistics["seed_families_joined"]) == (8, 14)


def test_the_draw_does_not_depend_on_the_order_of_rows_and_categories_of_mixed_families() -> None:
    rows = card_rows(60)
    rows += [made_row("mixed", n, category) for n, category in enumerate(["b", "a", "a", "b"])]
    first = divide(rows, 50, train_rows=300, similarity=0.5)
    for shuffle in range(3):
        other = divide(random.Random(shuffle).sample(rows, len(rows)), 50, train_rows=300, similarity=0.5)
        for side in ("train", "validation", "left_out"):
            assert ids(getattr(other, side)) == ids(getattr(first, side))
        assert other.statistics == first.statistics


@pytest.mark.parametrize(("train_rows", "leaked", "entered"), [(1849, 0, 10), (None, 20, 10)])
def test_further_rows_move_few_across(train_rows: int | None, leaked: int, entered: int) -> None:
    """Ten seeds and 46 rows of old ones more, one row in 15."""
    before = card_rows(230)
    grown = [made_row(f"seed-{n}", 20, f"category {n % 7}") for n in range(0, 230, 5)]
    after = [*before, *grown, *card_rows(10, first=1000)]
    moved = []
    for seed in range(8):
        old = divide(before, 200, seed, exact=True, train_rows=train_rows)
        new = divide(after, 200, seed, exact=True, train_rows=train_rows)
        moved.append((len(ids(old.validation) & ids(new.train)), len(ids(old.train) & ids(new.validation))))
    to_train, to_validation = (sum(column) / len(moved) for column in zip(*moved, strict=True))
    assert to_train <= leaked
    assert to_validation <= entered


def test_exactly_the_wanted_rows_although_whole_families_make_no_such_number() -> None:
    rows = uniform(categories=2, families=5, size=4)
    result = divide(rows, 6, exact=True)
    assert (len(result.train), len(result.validation), len(result.left_out)) == (32, 6, 2)
    assert seeds_of(result.left_out) <= seeds_of(result.validation)
    assert result.statistics["validation_by_category"] in (
        {"category 0": n, "category 1": 6 - n} for n in (2, 4)
    )


def test_sizes_that_cannot_be_had_are_refused_with_the_nearest() -> None:
    rows = uniform(categories=2, families=5, size=4)
    with pytest.raises(InputError, match="40 rows leave 32 for training") as caught:
        divide(rows, 6, exact=True, train_rows=33)
    assert "at least 41 rows" in str(caught.value)
    assert "split.train_rows to 32" in str(caught.value)
    with pytest.raises(InputError, match="40 rows in 10 families") as caught:
        divide(rows, 37, exact=True)
    assert "split.validation_rows to 36 or less" in str(caught.value)
    joined = [made_row(f"{n}", 0, "x", text="같은 질문입니다") for n in range(4)]
    with pytest.raises(InputError, match=r"joined 3 families to others, split\.similarity decides"):
        divide(joined, 2, similarity=0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(1, 5)), min_size=1, max_size=9),
    st.integers(1, 14),
    st.integers(0, 3),
)
def test_exact_sizes_wherever_a_family_is_left(drawn: list[tuple[str, int]], wanted: int, seed: int) -> None:
    rows = family_rows({f"f{number}": family for number, family in enumerate(drawn)})
    sizes = sorted(size for _, size in drawn)
    if wanted > sum(sizes[1:]):
        with pytest.raises(InputError):
            divide(rows, wanted, seed, exact=True)
        return
    try:
        result = divide(rows, wanted, seed, exact=True)
    except InputError:
        assert wanted > sum(sizes[:-1])  # the draw may have left a larger family
        return
    assert len(result.validation) == wanted
    assert result.train
    assert len(result.left_out) < max(sizes)
    assert not seeds_of(result.train) & seeds_of([*result.validation, *result.left_out])
    assert len(
        {row.id for side in (result.train, result.validation, result.left_out) for row in side}
    ) == len(rows)
