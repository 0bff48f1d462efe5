"""Families: rows that must stand on the same side of a split."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gukbap.config import SplitSettings
from gukbap.schemas import Row
from gukbap.stages.split.likeness import alike

#: The operation of a row that answers a seed as it stands.
SEED = "seed"


@dataclass(frozen=True)
class Family:
    """Rows of one seed, and of all seeds that are joined to it."""

    #: the earliest rank of its seeds: what is joined to a family goes where that family goes
    rank: bytes
    #: of most of its rows; of several such categories the first by name
    category: str
    #: places of its rows
    rows: tuple[int, ...]
    #: operation → rows
    operations: Mapping[str, int]

    @cached_property
    def size(self) -> int:
        """Number of rows."""
        return len(self.rows)


def rank(seed: int, kind: str, name: str) -> bytes:
    """A place in an order that the seed and the name alone decide."""
    return hashlib.blake2b(f"{seed}:{kind}:{name}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def operation(row: Row) -> str:
    """What made a row's instruction."""
    return row.lineage.operation or SEED


def families(settings: SplitSettings, rows: Sequence[Row]) -> list[Family]:
    """All families in the order of their ranks.

    Rows belong together that descend from one seed, that are parent and child, or whose instructions reach
    `settings.split.similarity`.
    """
    group = _Groups(len(rows))
    by_seed: dict[str, int] = {}
    by_id = {row.id: place for place, row in enumerate(rows)}
    for place, row in enumerate(rows):
        group.join(by_seed.setdefault(row.lineage.seed_id, place), place)
        if (parent := by_id.get(row.lineage.parent_id or "")) is not None:
            group.join(parent, place)
    if settings.split.similarity is not None:
        texts = [row.instruction for row in rows]
        for one, other in alike(texts, settings.split.similarity, known=group.joined):
            group.join(one, other)
    found = [_family(settings.seed, rows, places) for places in group.members()]
    return sorted(found, key=lambda family: family.rank)


def _family(seed: int, rows: Sequence[Row], places: Sequence[int]) -> Family:
    categories = Counter(rows[place].category for place in places)
    return Family(
        rank=min(rank(seed, "family", name) for name in {rows[place].lineage.seed_id for place in places}),
        category=min(categories, key=lambda name: (-categories[name], name)),
        rows=tuple(places),
        operations=Counter(operation(rows[place]) for place in places),
    )


class _Groups:
    """Disjoint sets of places."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def _root(self, place: int) -> int:
        while self._parent[place] != place:
            self._parent[place] = self._parent[self._parent[place]]
            place = self._parent[place]
        return place

    def join(self, one: int, other: int) -> None:
        self._parent[self._root(other)] = self._root(one)

    def joined(self, one: int, other: int) -> bool:
        return self._root(one) == self._root(other)

    def members(self) -> list[list[int]]:
        """The sets, each in its order."""
        found: defaultdict[int, list[int]] = defaultdict(list)
        for place in range(len(self._parent)):
            found[self._root(place)].append(place)
        return list(found.values())
