"""Seed instructions: reading them, and drawing some evenly over the categories, or by their weights."""

from __future__ import annotations

import math
import random
import sys
import warnings
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from gukbap.config import GenerateConfig
from gukbap.errors import GukbapWarning, InputError
from gukbap.schemas import Seed
from gukbap.spool import Chosen, Joined
from gukbap.stages.generate.seed_files import FORMATS, LINES_NAMED, read_seed_file, without_repeated

BUNDLED_SEEDS = "bundled://seeds"


def load_seeds(config: GenerateConfig) -> Sequence[Seed]:
    """The seeds of `bundled://seeds`, of a local file (seed_files.FORMATS) in its order, or of all such
    files in a folder, by their names.

    Raises:
        InputError: a file is missing, empty or malformed, or an id stands there twice.
    """
    reference = config.seeds
    if reference == BUNDLED_SEEDS:
        with resources.as_file(resources.files("gukbap.data").joinpath("seeds.jsonl")) as path:
            return read_seed_file(path, config.default_category)
    if "://" in reference and not reference.startswith("file://"):
        raise InputError(
            f"there are no seeds {reference!r} on this machine",
            expected=f"{BUNDLED_SEEDS}, or a file that ends with {', '.join(FORMATS)}, or a folder of such",
        )
    place = Path(reference.removeprefix("file://"))
    read = _read_folder if place.is_dir() else read_seed_file
    seeds = read(place, config.default_category)
    _refuse_repeated_ids(seeds, reference)
    return seeds


def _read_folder(folder: Path, default_category: str) -> Sequence[Seed]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    files = [path for path in found if path.suffix.lower() in FORMATS]
    if others := [path.name for path in found if path not in files]:
        warnings.warn(
            f"{folder}: {len(others)} files hold no seeds by their ending and are passed over: "
            f"{', '.join(others[:LINES_NAMED])}",
            GukbapWarning,
            stacklevel=3,
        )
    if not files:
        raise InputError(
            f"the folder {folder} holds no file of seeds",
            expected=f"files that end with {', '.join(FORMATS)}",
            fix="put one there, or correct generate.seeds",
        )
    return without_repeated(folder, Joined(read_seed_file(path, default_category) for path in files))


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


def draw_seeds(config: GenerateConfig, seeds: Sequence[Seed], seed: int) -> Sequence[Seed]:
    """The seeds that a run evolves, in their original order; the draw depends on `seed` alone.

    With `seed_count` they are drawn as evenly over the categories as can be: a category that is too
    small gives all it has, and the others make up for it; `category_weights` stand for "evenly". With
    `seed_quota` each named category gives exactly so many, and the others none. With neither, all are taken.

    Raises:
        InputError: there are fewer than are asked for.
    """
    if config.seed_quota:
        drawn = _by_quota(_shuffled(seeds, seed), config.seed_quota)
    elif config.seed_count is not None:
        _refuse_too_many(config.seed_count, len(seeds))
        by_category = _shuffled(seeds, seed)
        if config.category_weights:
            there = {category: len(members) for category, members in by_category.items()}
            quota = weighted_quota(config.seed_count, there, config.category_weights)
            drawn = _by_quota(by_category, quota)
        else:
            drawn = _evenly(by_category, config.seed_count)
    else:
        return seeds
    return Chosen(seeds, sorted(drawn))


def _shuffled(seeds: Sequence[Seed], seed: int) -> dict[str, list[int]]:
    order = list(range(len(seeds)))
    random.Random(f"{seed}/seeds").shuffle(order)
    categories = [sys.intern(item.category) for item in seeds]
    by_category: dict[str, list[int]] = {category: [] for category in categories}
    for index in order:
        by_category[categories[index]].append(index)
    return by_category


def _refuse_too_many(count: int, there: int) -> None:
    if count > there:
        raise InputError(
            f"{count} seeds are asked for, but there are {there}",
            expected=f"generate.seed_count of at most {there}",
            fix="lower generate.seed_count, or set it to null for all seeds",
        )


def _evenly(by_category: Mapping[str, Sequence[int]], count: int) -> list[int]:
    drawn: list[int] = []
    turn = 0
    while len(drawn) < count:
        drawn += [members[turn] for members in by_category.values() if turn < len(members)]
        turn += 1
    return drawn[:count]


def weighted_quota(count: int, there: Mapping[str, int], weights: Mapping[str, float]) -> dict[str, int]:
    """Share out `count` seeds by the categories' weights, with largest remainders.

    A category that has too few gives all it has, and the others share the rest.

    Args:
        count: at most as many as there are.
        there: category → how many it has.
        weights: category → any positive number; 1 where it is missing.
    """
    quota: dict[str, int] = {}
    open_ones = {category: weights.get(category, 1.0) for category in sorted(there)}
    while open_ones:
        left, whole = count - sum(quota.values()), math.fsum(open_ones.values())
        exact = {category: left * weight / whole for category, weight in open_ones.items()}
        if short := [category for category in exact if exact[category] >= there[category]]:
            quota |= {category: there[category] for category in short}
            open_ones = {name: weight for name, weight in open_ones.items() if name not in short}
            continue
        floors = {category: math.floor(share) for category, share in exact.items()}
        by_remainder = sorted(exact, key=lambda category: (floors[category] - exact[category], category))
        one_more = by_remainder[: left - sum(floors.values())]
        quota |= {category: floor + (category in one_more) for category, floor in floors.items()}
        break
    return quota


def _by_quota(by_category: Mapping[str, Sequence[int]], quota: Mapping[str, int]) -> list[int]:
    short = [
        f"{category}: {wanted} asked for, {len(by_category.get(category, ()))} there"
        for category, wanted in quota.items()
        if wanted > len(by_category.get(category, ()))
    ]
    if short:
        raise InputError(
            f"generate.seed_quota asks for more seeds than there are ({'; '.join(short)})",
            expected=f"categories and numbers among "
            f"{', '.join(f'{category} {len(members)}' for category, members in by_category.items())}",
            fix="lower the quota, or add seeds",
        )
    return [index for category, wanted in quota.items() for index in by_category.get(category, ())[:wanted]]
