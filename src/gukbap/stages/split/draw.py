"""The fewest validation rows that whole families make up, for data of which no row is to be lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gukbap.stages.split.families import Family, rank


def least_size(families: Sequence[Family], least: int) -> int | None:
    """The fewest rows, but at least `least`, of some families but not all; None: there is none."""
    sums = _sums([family.size for family in families])
    return next(
        (total for total in range(least, sum(family.size for family in families)) if sums >> total & 1), None
    )


def drawn(families: Sequence[Family], total: int, seed: int) -> list[Family]:
    """Families of exactly `total` rows, of categories as all rows have them.

    Each category gives its share of the rows; a category is emptied only where nothing else fits. Within
    one the families of the lowest ranks are drawn. So the draw follows from the seed and the families.

    Args:
        families: in the order of their ranks; some of them add up to `total`, and it is less than all rows.
    """
    groups: defaultdict[str, list[Family]] = defaultdict(list)
    for family in families:
        groups[family.category].append(family)
    names = sorted(groups, key=lambda name: rank(seed, "category", name))
    shares = _shares({name: [family.size for family in groups[name]] for name in names}, total)
    return [family for name in names for family in _families_of_size(groups[name], shares[name])]


def _sums(sizes: Sequence[int]) -> int:
    """A number whose bit s is set where some sizes add up to s."""
    sums = 1
    for size in sizes:
        sums |= sums << size
    return sums


def _shares(sizes: Mapping[str, Sequence[int]], total: int) -> dict[str, int]:
    """How many rows each category gives so that whole families add up to `total`, each near its part of all.

    Dynamic programming over the categories: the least sum of squared distances from a category's part of
    `total`, with a penalty above any such sum for a category that would be emptied.
    """
    every, emptied = sum(map(sum, sizes.values())), float(4 * total**2 + 1)
    best = np.full(total + 1, np.inf)
    best[0] = 0.0
    choices: list[npt.NDArray[np.int64]] = []
    for group in sizes.values():
        part = total * sum(group) / every
        sums = _sums(group)
        following = np.full(total + 1, np.inf)
        choice = np.zeros(total + 1, dtype=np.int64)
        for rows in (rows for rows in range(total + 1) if sums >> rows & 1):
            cost = (rows - part) ** 2 + (emptied if rows == sum(group) else 0.0)
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


def _families_of_size(families: Sequence[Family], rows: int) -> list[Family]:
    """The first families in their order whose sizes add up to exactly `rows`."""
    following = [1]  # sums of the families after each place, from the last place on
    for family in reversed(families):
        following.append(following[-1] | following[-1] << family.size)
    chosen: list[Family] = []
    for family, sums in zip(families, reversed(following[:-1]), strict=True):
        if family.size <= rows and sums >> (rows - family.size) & 1:
            chosen.append(family)
            rows -= family.size
    return chosen
