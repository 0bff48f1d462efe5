"""Which rows share a band's bucket: the pairs that are to be compared.

Rows are numbered by rank, the best first, behind those of an index. A bucket gives every row its
`bucket_rows` best kept rows as candidates. In a bucket of no more rows that is every pair, and the
pairs can be listed at once; of a larger one it is known only while rows are decided, so its members
are noted, and the list of its kept rows grows then. Time and memory are thereby bounded by the number
of rows, however many of them share a bucket, and what an index has kept is all that must be known of
earlier rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from gukbap.files import atomic_file
from gukbap.stages.dedup.arrays import Indices, Words32, Words64

_ROW_BITS = np.uint64(32)
_ROW = np.uint64(0xFFFFFFFF)
# Bounds what is held at once; results do not depend on it.
_PAIRS_AT_ONCE = 4_000_000


class EarlierBuckets(Protocol):
    """Buckets of rows that were kept before."""

    def members(self, band: int, keys: Words32, most: int) -> tuple[Indices, Indices]:
        """For sorted distinct keys: how many rows each bucket has, at most `most`, and these rows one
        bucket after the other, best first."""


class NoEarlierRows:
    """Stands for an index where there is none."""

    def members(self, band: int, keys: Words32, most: int) -> tuple[Indices, Indices]:
        """No bucket has a row."""
        return np.zeros(len(keys), np.int64), np.zeros(0, np.int64)


@dataclass(frozen=True)
class Collisions:
    """What the rows of one field are compared with."""

    #: row << 32 | better row: pairs of buckets with room for all, each once, sorted
    pairs: Words64
    #: row << 32 | large bucket, sorted
    memberships: Words64
    #: large bucket → its kept rows so far, best first
    large: list[list[int]]


def collide(
    band_keys: Callable[[int], Words32],
    bands: range,
    rows: Indices,
    bucket_rows: int,
    earlier: EarlierBuckets,
    likely: Callable[[Words64], Words64],
) -> Collisions:
    """Find the collisions of some bands.

    Args:
        band_keys: band → the keys of `rows`.
        bands: which bands.
        rows: the numbers of the rows that have keys, best first.
        bucket_rows: with how many rows of a bucket a row is compared.
        earlier: the buckets of an index.
        likely: leaves out pairs that cannot be alike.
    """
    waiting: list[Words64] = []
    done: list[Words64] = []
    memberships: list[Words64] = []
    large: list[list[int]] = []
    for band in bands:
        keys = band_keys(band)
        packed = (keys.astype(np.uint64) << _ROW_BITS) | rows.astype(np.uint64)
        packed.sort()
        buckets = _Buckets.of(packed, earlier, band, bucket_rows)
        waiting += buckets.pairs()
        members, lists = buckets.large(len(large))
        memberships.append(members)
        large += lists
        if sum(map(len, waiting)) >= _PAIRS_AT_ONCE:
            done, waiting = [likely(np.unique(np.concatenate([*done, *waiting])))], []
    pairs = likely(np.unique(np.concatenate([np.zeros(0, np.uint64), *done, *waiting])))
    noted = np.concatenate([np.zeros(0, np.uint64), *memberships])
    noted.sort()
    return Collisions(pairs, noted, large)


@dataclass(frozen=True)
class _Buckets:
    """The buckets of one band: runs of equal keys."""

    #: rows, one bucket after the other, best first
    rows: Indices
    starts: Indices
    sizes: Indices
    earlier_counts: Indices
    earlier_rows: Indices
    most: int

    @classmethod
    def of(cls, packed: Words64, earlier: EarlierBuckets, band: int, most: int) -> _Buckets:
        keys = (packed >> _ROW_BITS).astype(np.uint32)
        starts = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)])
        sizes = np.diff(np.append(starts, len(keys)))
        counts, found = earlier.members(band, keys[starts], most)
        return cls((packed & _ROW).astype(np.int64), starts, sizes, counts, found, most)

    def _is_large(self) -> np.ndarray:
        crowded = self.sizes + self.earlier_counts > self.most
        # A bucket that earlier rows fill is no place for further ones.
        return np.asarray(crowded & (self.earlier_counts < self.most))

    def pairs(self) -> list[Words64]:
        """Every pair of the buckets that are not large, with the better row second."""
        listed = ~self._is_large()
        made = [self._with_earlier(listed)]
        small = listed & (self.earlier_counts < self.most)
        left = np.repeat(np.where(small, self.sizes, 0), self.sizes)
        # How many rows of its bucket come before a row.
        place = np.arange(len(self.rows)) - np.repeat(self.starts, self.sizes)
        for distance in range(1, self.most):
            places = np.flatnonzero((left > 0) & (place >= distance))
            if not len(places):
                break
            made.append(pack(self.rows[places], self.rows[places - distance]))
        return made

    def _with_earlier(self, listed: np.ndarray) -> Words64:
        if not len(self.earlier_rows):
            return np.zeros(0, np.uint64)
        begins = np.cumsum(self.earlier_counts) - self.earlier_counts
        counts = np.repeat(np.where(listed, self.earlier_counts, 0), self.sizes)
        rows = np.repeat(self.rows, counts)
        within = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        return pack(rows, self.earlier_rows[np.repeat(np.repeat(begins, self.sizes), counts) + within])

    def large(self, first: int) -> tuple[Words64, list[list[int]]]:
        """Row << 32 | number for each row of a large bucket, and the buckets' earlier rows."""
        crowded = self._is_large()
        numbers = np.cumsum(crowded) - 1 + first
        chosen = np.repeat(crowded, self.sizes)
        members = pack(self.rows[chosen], np.repeat(numbers, self.sizes)[chosen])
        ends = np.cumsum(self.earlier_counts)
        lists = [
            self.earlier_rows[ends[bucket] - self.earlier_counts[bucket] : ends[bucket]].tolist()
            for bucket in np.flatnonzero(crowded).tolist()
        ]
        return members, lists


def united(parts: Sequence[Collisions]) -> Collisions:
    """The collisions of several ranges of bands as one."""
    large: list[list[int]] = []
    memberships = [np.zeros(0, np.uint64)]
    for part in parts:
        memberships.append(part.memberships + np.uint64(len(large)))
        large += part.large
    pairs = np.unique(np.concatenate([np.zeros(0, np.uint64), *(part.pairs for part in parts)]))
    return Collisions(pairs, np.sort(np.concatenate(memberships)), large)


def write_collisions(path: Path, collisions: Collisions) -> None:
    """Write collisions atomically."""
    sizes = np.array([len(bucket) for bucket in collisions.large], dtype=np.int64)
    rows = np.array([row for bucket in collisions.large for row in bucket], dtype=np.int64)
    with atomic_file(path) as file:
        np.savez(file, pairs=collisions.pairs, memberships=collisions.memberships, sizes=sizes, rows=rows)


def read_collisions(path: Path) -> Collisions:
    """Read what `write_collisions` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        ends = np.cumsum(stored["sizes"])
        large = [part.tolist() for part in np.split(stored["rows"], ends[:-1])] if len(ends) else []
        return Collisions(stored["pairs"], stored["memberships"], large)


def pack(rows: Indices, others: Indices) -> Words64:
    """Pairs of numbers below 2^32 as one number each; they sort by the first."""
    return (rows.astype(np.uint64) << _ROW_BITS) | others.astype(np.uint64)


def unpack(pairs: Words64) -> tuple[Indices, Indices]:
    """The two numbers of each pair."""
    return (pairs >> _ROW_BITS).astype(np.int64), (pairs & _ROW).astype(np.int64)
