"""Seeds: the bundled set, user files, and the draw."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gukbap.errors import InputError
from gukbap.schemas import SEED_CATEGORIES, Seed
from gukbap.stages.generate import draw_seeds, load_seeds


def _seeds(**sizes: int) -> list[Seed]:
    return [
        Seed(id=f"{category}-{number}", category=category, instruction="무엇인가요?")
        for category, size in sizes.items()
        for number in range(size)
    ]


def test_bundled_seeds_cover_every_category() -> None:
    seeds = load_seeds("bundled://seeds")
    assert set(SEED_CATEGORIES) == {seed.category for seed in seeds}


def test_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text('{"id": "a", "category": "math", "instruction": "1+1은 얼마인가요?"}\n', encoding="utf-8")
    assert [seed.id for seed in load_seeds(str(path))] == ["a"]
    assert [seed.id for seed in load_seeds(f"file://{path}")] == ["a"]


def test_repeated_ids_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    line = '{"id": "a", "category": "math", "instruction": "1+1은 얼마인가요?"}\n'
    path.write_text(line * 2, encoding="utf-8")
    with pytest.raises(InputError, match="'a' stands there twice"):
        load_seeds(str(path))


@pytest.mark.parametrize("reference", ["bundled://nothing", "no-such-file.jsonl"])
def test_unknown_seeds_are_refused(reference: str) -> None:
    with pytest.raises(InputError):
        load_seeds(reference)


def test_draw_is_even_and_deterministic() -> None:
    seeds = _seeds(math=10, writing=10, coding=10)
    drawn = draw_seeds(seeds, 9, seed=1)
    assert Counter(seed.category for seed in drawn) == {"math": 3, "writing": 3, "coding": 3}
    assert drawn == draw_seeds(seeds, 9, seed=1)
    assert drawn != draw_seeds(seeds, 9, seed=2)
    assert [seeds.index(seed) for seed in drawn] == sorted(seeds.index(seed) for seed in drawn)


def test_small_categories_are_made_up_for() -> None:
    drawn = draw_seeds(_seeds(math=1, writing=10), 6, seed=1)
    assert Counter(seed.category for seed in drawn) == {"math": 1, "writing": 5}


def test_all_seeds_without_a_count_and_too_many_are_refused() -> None:
    seeds = _seeds(math=3)
    assert draw_seeds(seeds, None, seed=1) == seeds
    with pytest.raises(InputError, match="4 seeds are asked for, but there are 3"):
        draw_seeds(seeds, 4, seed=1)
