"""Seeds: the bundled set, and the draw."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from gukbap.config import GenerateConfig
from gukbap.errors import ConfigError, InputError
from gukbap.recipes import load_recipe
from gukbap.schemas import SEED_CATEGORIES, Seed
from gukbap.stages.generate import draw_seeds, load_seeds
from gukbap.stages.generate.seeds import weighted_quota


def _seeds(**sizes: int) -> list[Seed]:
    return [
        Seed(id=f"{category}-{number}", category=category, instruction="무엇인가요?")
        for category, size in sizes.items()
        for number in range(size)
    ]


def _config(**values: Any) -> GenerateConfig:
    return GenerateConfig.model_validate(values)


def test_bundled_seeds_cover_every_category() -> None:
    seeds = load_seeds(_config())
    assert set(SEED_CATEGORIES) == {seed.category for seed in seeds}


@pytest.mark.parametrize(
    "reference", ["bundled://nothing", "no-such-file.jsonl", "s3://bucket/seeds.jsonl", "seeds.xlsx"]
)
def test_unknown_seeds_are_refused(reference: str) -> None:
    with pytest.raises(InputError):
        load_seeds(_config(seeds=reference))


def test_draw_is_even_and_deterministic() -> None:
    seeds = _seeds(math=10, writing=10, coding=10)
    drawn = draw_seeds(_config(seed_count=9), seeds, seed=1)
    assert Counter(seed.category for seed in drawn) == {"math": 3, "writing": 3, "coding": 3}
    assert drawn == draw_seeds(_config(seed_count=9), seeds, seed=1)
    assert drawn != draw_seeds(_config(seed_count=9), seeds, seed=2)
    assert [seeds.index(seed) for seed in drawn] == sorted(seeds.index(seed) for seed in drawn)


def test_small_categories_are_made_up_for() -> None:
    drawn = draw_seeds(_config(seed_count=6), _seeds(math=1, writing=10), seed=1)
    assert Counter(seed.category for seed in drawn) == {"math": 1, "writing": 5}


def test_all_seeds_without_a_count_and_too_many_are_refused() -> None:
    seeds = _seeds(math=3)
    assert draw_seeds(_config(), seeds, seed=1) == seeds
    with pytest.raises(InputError, match="4 seeds are asked for, but there are 3"):
        draw_seeds(_config(seed_count=4), seeds, seed=1)


def test_a_quota_draws_so_many_of_each_category() -> None:
    seeds = _seeds(math=10, writing=10, coding=10)
    config = _config(seed_quota={"writing": 7, "math": 2})
    drawn = draw_seeds(config, seeds, seed=1)
    assert Counter(seed.category for seed in drawn) == {"math": 2, "writing": 7}
    assert drawn == draw_seeds(config, seeds, seed=1)
    assert drawn != draw_seeds(config, seeds, seed=2)
    assert [seeds.index(seed) for seed in drawn] == sorted(seeds.index(seed) for seed in drawn)


def test_more_of_a_quota_adds_seeds_and_exchanges_none() -> None:
    seeds = _seeds(math=10, writing=10)
    few, many = (
        {seed.id for seed in draw_seeds(_config(seed_quota={"math": count}), seeds, seed=3)}
        for count in (4, 6)
    )
    assert few < many


def test_a_quota_that_cannot_be_met_names_every_category() -> None:
    with pytest.raises(InputError, match="math: 5 asked for, 3 there; poetry: 1 asked for, 0 there"):
        draw_seeds(_config(seed_quota={"math": 5, "poetry": 1}), _seeds(math=3), seed=1)


def test_count_and_quota_are_not_both_taken() -> None:
    with pytest.raises(ConfigError, match="set one of them to null"):
        load_recipe("local", ["generate.seed_quota={math: 1}"])


@pytest.mark.parametrize(
    ("sizes", "count", "expected"),
    [
        ({"math": 10, "writing": 10, "coding": 10}, 8, {"math": 4, "writing": 2, "coding": 2}),
        ({"math": 3, "writing": 10, "coding": 10}, 9, {"math": 3, "writing": 3, "coding": 3}),
        ({"math": 1, "writing": 2, "coding": 10}, 9, {"math": 1, "writing": 2, "coding": 6}),
        # 3.5, 1.75 and 1.75 of seven: the halves of the largest remainders go to two of the three
        ({"math": 10, "writing": 10, "coding": 10}, 7, {"math": 3, "writing": 2, "coding": 2}),
    ],
)
def test_weights_share_out_the_seeds_and_what_a_category_lacks_goes_to_the_others(
    sizes: dict[str, int], count: int, expected: dict[str, int]
) -> None:
    seeds = _seeds(**sizes)
    config = _config(seed_count=count, category_weights={"math": 2.0, "absent": 9.0})
    drawn = draw_seeds(config, seeds, seed=1)
    assert Counter(seed.category for seed in drawn) == expected
    assert {seed.id for seed in drawn} == {seed.id for seed in draw_seeds(config, seeds, seed=1)}


def test_any_weights_draw_as_many_as_are_asked_for() -> None:
    random = Random(3)
    for _ in range(300):
        there = {f"c{number}": random.randrange(0, 9) for number in range(random.randrange(1, 8))}
        count = random.randint(0, sum(there.values()))
        weights = {category: random.uniform(0.1, 5) for category in there}
        quota = weighted_quota(count, there, weights)
        assert sum(quota.values()) == count
        assert all(0 <= quota[category] <= size for category, size in there.items())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"category_weights": {"math": 2}}, "share out seed_count, which is null"),
        ({"seed_count": 9, "category_weights": {"math": 0}}, "greater than 0"),
        ({"weakness": {"enabled": True}}, "nothing to do"),
        ({"seed_quota": {"math": 3}, "weakness": {"enabled": True}}, "leave category_weights"),
        ({"seed_count": 9, "category_rounds": {"math": 2}, "weakness": {"enabled": True}}, "leave category"),
    ],
)
def test_weights_that_say_nothing_or_two_things_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _config(**values)
