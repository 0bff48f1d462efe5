"""Seed instructions: reading them, and drawing some evenly over the categories."""

from __future__ import annotations

import random
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from gukbap.errors import InputError
from gukbap.schemas import Seed
from gukbap.stages.training_input import read_training

BUNDLED_SEEDS = "bundled://seeds"


def load_seeds(reference: str) -> list[Seed]:
    """The seeds of `bundled://seeds` or of a JSON Lines file, in the file's order.

    Raises:
        InputError: the file is missing, empty or malformed, or an id stands in it twice.
    """
    if reference == BUNDLED_SEEDS:
        with resources.as_file(resources.files("gukbap.data").joinpath("seeds.jsonl")) as path:
            seeds = read_training(path, Seed)
    else:
        if reference.startswith("bundled://"):
            raise InputError(
                f"there are no seeds {reference!r}", expected=f"{BUNDLED_SEEDS} or a JSON Lines file"
            )
        seeds = read_training(Path(reference.removeprefix("file://")), Seed)
    _refuse_repeated_ids(seeds, reference)
    return seeds


def _refuse_repeated_ids(seeds: Sequence[Seed], reference: str) -> None:
    seen: set[str] = set()
    for seed in seeds:
        if seed.id in seen:
            raise InputError(
                f"{reference}: the id {seed.id!r} stands there twice",
                expected="an id of its own for each seed",
                fix="rename or remove one of the two",
            )
        seen.add(seed.id)


def draw_seeds(seeds: Sequence[Seed], count: int | None, seed: int) -> list[Seed]:
    """`count` seeds, as evenly over the categories as can be, in their original order.

    The draw depends on `seed` alone. A category that is too small gives all it has, and the others
    make up for it. All seeds where `count` is None.

    Raises:
        InputError: there are fewer than `count` seeds.
    """
    if count is None:
        return list(seeds)
    if count > len(seeds):
        raise InputError(
            f"{count} seeds are asked for, but there are {len(seeds)}",
            expected=f"generate.seed_count of at most {len(seeds)}",
            fix="lower generate.seed_count, or set it to null for all seeds",
        )
    shuffled = list(range(len(seeds)))
    random.Random(f"{seed}/seeds").shuffle(shuffled)
    by_category: dict[str, list[int]] = {item.category: [] for item in seeds}
    for index in shuffled:
        by_category[seeds[index].category].append(index)
    drawn: list[int] = []
    turn = 0
    while len(drawn) < count:
        drawn += [members[turn] for members in by_category.values() if turn < len(members)]
        turn += 1
    return [seeds[index] for index in sorted(drawn[:count])]
