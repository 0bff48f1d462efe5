"""Split rows into training and validation by seed family, so that no family stands on both sides.

Evolved rows of one seed resemble each other; with some of them in training, the validation loss
would measure memory.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gukbap.config import SplitSettings
from gukbap.errors import InputError
from gukbap.schemas import Row


@dataclass(frozen=True)
class SplitResult:
    """Both sides, each in the rows' order, and counts."""

    train: list[Row]
    validation: list[Row]
    statistics: dict[str, Any]


@dataclass(frozen=True)
class _Family:
    """All rows of one seed; the category is the first row's."""

    seed_id: str
    category: str
    size: int


def split(settings: SplitSettings, rows: Sequence[Row]) -> SplitResult:
    """Draw whole seed families for validation.

    Validation gets the fewest rows that whole families allow, but at least
    `settings.split.validation_rows`. Among the draws of that size the one nearest to equal numbers
    of rows a category is taken; a category is emptied only where nothing else fits. Which families
    of a category are drawn depends on the seed and the families, not on the order of the rows.

    Raises:
        InputError: no draw of whole families leaves a family for training.
    """
    families = _families(rows)
    total = _validation_size([family.size for family in families], settings.split.validation_rows)
    if total is None:
        raise _too_few(rows, families, settings.split.validation_rows)
    by_category = _shuffled_categories(families, settings.seed)
    shares = _shares({name: [f.size for f in group] for name, group in by_category.items()}, total)
    drawn = {
        family.seed_id
        for name, group in by_category.items()
        for family in _families_of_size(group, shares[name])
    }
    train = [row for row in rows if row.lineage.seed_id not in drawn]
    validation = [row for row in rows if row.lineage.seed_id in drawn]
    return SplitResult(train, validation, _statistics(settings, train, validation))


def _families(rows: Sequence[Row]) -> list[_Family]:
    sizes = Counter(row.lineage.seed_id for row in rows)
    category = {row.lineage.seed_id: row.category for row in reversed(rows)}
    return [_Family(seed_id, category[seed_id], size) for seed_id, size in sizes.items()]


def _validation_size(sizes: Sequence[int], least: int) -> int | None:
    """The smallest sum of some, but not all, sizes that is at least `least`; None if there is none."""
    sums = 1  # bit s is set where some sizes add up to s
    for size in sizes:
        sums |= sums << size
    return next((total for total in range(least, sum(sizes)) if sums >> total & 1), None)


def _too_few(rows: Sequence[Row], families: Sequence[_Family], least: int) -> InputError:
    largest = max((family.size for family in families), default=0)
    return InputError(
        f"{len(rows)} rows in {len(families)} seed families (the largest has {largest}) cannot be split "
        f"with validation_rows {least}: no whole family would be left for training",
        expected=f"at least {least} rows in some families, and one family more",
        fix="lower split.validation_rows, or generate more rows (generate.seed_count, generate.rounds)",
    )


def _shuffled_categories(families: Sequence[_Family], seed: int) -> dict[str, list[_Family]]:
    """Families by category, both in an order that the seed and the names alone decide."""
    groups: defaultdict[str, list[_Family]] = defaultdict(list)
    for family in sorted(families, key=lambda family: _draw(seed, "family", family.seed_id)):
        groups[family.category].append(family)
    return {name: groups[name] for name in sorted(groups, key=lambda name: _draw(seed, "category", name))}


def _draw(seed: int, kind: str, name: str) -> bytes:
    return hashlib.blake2b(f"{seed}:{kind}:{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _shares(sizes: Mapping[str, Sequence[int]], total: int) -> dict[str, int]:
    """How many rows each category gives so that whole families add up to `total`, as evenly as can be.

    Dynamic programming over the categories: the least sum of squared distances from an even share,
    with a penalty above any such sum for a category that would be emptied.
    """
    even, emptied = total / len(sizes), float(2 * total**2 + 1)
    best = np.full(total + 1, np.inf)
    best[0] = 0.0
    choices: list[npt.NDArray[np.int64]] = []
    for group in sizes.values():
        following = np.full(total + 1, np.inf)
        choice = np.zeros(total + 1, dtype=np.int64)
        for rows in _reachable(group, total):
            cost = (rows - even) ** 2 + (emptied if rows == sum(group) else 0.0)
            candidate = best[: total + 1 - rows] + cost
            better = candidate < following[rows:]
            following[rows:][better] = candidate[better]
            choice[rows:][better] = rows
        best = following
        choices.append(choice)
    shares: dict[str, int] = {}
    left = total
    for name, choice in zip(reversed(list(sizes)), reversed(choices), strict=True):
        shares[name] = int(choice[left])
        left -= shares[name]
    return shares


def _reachable(sizes: Sequence[int], limit: int) -> list[int]:
    """Every sum of some of the sizes, up to `limit`."""
    sums = 1
    for size in sizes:
        sums |= sums << size
    return [total for total in range(limit + 1) if sums >> total & 1]


def _families_of_size(families: Sequence[_Family], rows: int) -> list[_Family]:
    """The first families in their order whose sizes add up to exactly `rows`."""
    following = [1]  # sums of the families after each place, from the last place on
    for family in reversed(families):
        following.append(following[-1] | following[-1] << family.size)
    drawn: list[_Family] = []
    for family, sums in zip(families, reversed(following[:-1]), strict=True):
        if family.size <= rows and sums >> (rows - family.size) & 1:
            drawn.append(family)
            rows -= family.size
    return drawn


def _statistics(settings: SplitSettings, train: Sequence[Row], validation: Sequence[Row]) -> dict[str, Any]:
    return {
        "rows": len(train) + len(validation),
        "train_rows": len(train),
        "validation_rows": len(validation),
        "validation_rows_wanted": settings.split.validation_rows,
        "train_families": len({row.lineage.seed_id for row in train}),
        "validation_families": len({row.lineage.seed_id for row in validation}),
        "train_by_category": dict(sorted(Counter(row.category for row in train).items())),
        "validation_by_category": dict(sorted(Counter(row.category for row in validation).items())),
    }
