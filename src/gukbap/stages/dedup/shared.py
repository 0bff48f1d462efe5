"""Rows whose texts share a digest, of the same letters or of one gist: the best one that stays is kept."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gukbap.stages.dedup.arrays import Indices
from gukbap.stages.dedup.chunks import Digest, FieldName
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.index import Index


class Shared(NamedTuple):
    """Which rows share a digest of one kind with another row."""

    #: for each row that is to be decided a number of its digest, or −1 where no other row has that
    numbers: Indices
    #: number of a digest → the row of an index that has it
    kept: dict[int, int]


def shared(corpus: Corpus, index: Index, field: FieldName, kind: Digest) -> Shared:
    """The rows of a corpus that share a digest with each other or with rows of an index."""
    digests, numbers = corpus.digests(field, kind), np.full(len(corpus), -1, dtype=np.int64)
    known = np.flatnonzero(corpus.counting(field) & digests.any(axis=1))
    if not len(known):
        return Shared(numbers, {})
    digests = digests[known]
    order = np.lexsort(digests.T)
    new = np.concatenate(([True], (digests[order[1:]] != digests[order[:-1]]).any(axis=1)))
    each = np.empty_like(order)
    each[order] = np.cumsum(new) - 1
    earlier = index.sharing(field, kind, digests)
    found = earlier >= 0
    several = (np.bincount(each)[each] > 1) | found
    numbers[known[several]] = each[several]
    return Shared(numbers, dict(zip(each[found].tolist(), earlier[found].tolist(), strict=True)))


class Keepers:
    """The rows that stay, by their digests, while rows are decided one after the other."""

    def __init__(self, given: Shared, first: int) -> None:
        self._numbers, self._first = given.numbers, first
        self._kept = dict(given.kept)
        # Of the rows that were looked at last:
        self._at_hand: dict[int, int] = {}

    def in_doubt(self) -> Indices:
        """The rows that share a digest with another."""
        return np.flatnonzero(self._numbers >= 0) + self._first

    def look_at(self, start: int, stop: int) -> None:
        """Have the digests of a range of rows at hand."""
        numbers = enumerate(self._numbers[start - self._first : stop - self._first].tolist(), start)
        self._at_hand = {row: number for row, number in numbers if number >= 0}

    def keeper(self, row: int) -> int | None:
        """The row that stays and has the same digest."""
        number = self._at_hand.get(row)
        return None if number is None else self._kept.get(number)

    def keep(self, row: int) -> None:
        """Note a row that stays."""
        if (number := self._at_hand.get(row)) is not None:
            self._kept[number] = row
