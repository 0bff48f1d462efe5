"""Which rows stay: the best ones that are not near-duplicates of better ones that stay.

Rows are looked at by rank. A row goes when it is alike a row that stays, and that row is its keeper:
whatever goes is alike its keeper itself, and not by a chain of others. Since rows of an index come
first, deciding new rows against what the index kept gives what deciding all rows at once would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gukbap.config import DedupConfig
from gukbap.stages.dedup.alike import Likeness, likeness, may_be_alike
from gukbap.stages.dedup.chunks import FieldName
from gukbap.stages.dedup.collisions import Collisions, pack, unpack
from gukbap.stages.dedup.signatures import Indices, Words64, agreement
from gukbap.stages.dedup.text import Comparable

#: How far the estimate of a pair's Jaccard similarity may lie below what is asked of it: about 1.5
#: standard deviations. Few pairs that are alike lie that low at all.
_DOUBT = 0.1
_PAIRS_AT_ONCE = 1 << 15
_TEXTS_AT_HAND = 1 << 15


@dataclass(frozen=True)
class Removal:
    """A row that goes, by rank, with the row that stays in its place."""

    row: int
    keeper: int
    field: FieldName
    likeness: Likeness


class Texts:
    """The comparable texts of one field, with their sketches, by rank; those of an index come first."""

    def __init__(self, text: Callable[[int], str], sketches: Callable[[Indices], Words64]) -> None:
        self.sketches = sketches
        #: row → its text, kept at hand for a while
        self.comparable = lru_cache(_TEXTS_AT_HAND)(lambda row: Comparable(text(row)))


@dataclass(frozen=True)
class Field:
    """One field of all rows, by rank, those of an index first."""

    name: FieldName
    texts: Texts
    #: for each row that is to be decided, which rows have the same text: a number of theirs, or −1
    same: Indices
    #: number of a text → the row of an index that has it
    kept_same: dict[int, int]
    #: None where only the same texts count
    collisions: Collisions | None


def decide(
    settings: DedupConfig, rows: range, fields: Sequence[Field], advance: Callable[[int], None]
) -> list[Removal]:
    """Decide `rows`; those before them stay already.

    Returns:
        What goes, in the order of rank.
    """
    gone: set[int] = set()
    matchers = [_Matcher(field, settings, rows, gone) for field in fields]
    removals: list[Removal] = []
    done = rows.start
    for row in sorted(set().union(*(matcher.in_doubt() for matcher in matchers))):
        for matcher in matchers:
            if removal := matcher.match(row):
                gone.add(row)
                removals.append(removal)
                break
        else:
            for matcher in matchers:
                matcher.keep(row)
        advance(row - done)
        done = row
    advance(rows.stop - done)
    return removals


class _Matcher:
    """Finds a row's keeper by one field."""

    def __init__(self, field: Field, settings: DedupConfig, rows: range, gone: set[int]) -> None:
        self._settings, self._gone, self._name, self._texts = settings, gone, field.name, field.texts
        doubtful = np.flatnonzero(field.same >= 0)
        self._same = dict(zip((doubtful + rows.start).tolist(), field.same[doubtful].tolist(), strict=True))
        self._kept_same = dict(field.kept_same)
        self._pairs: dict[int, list[int]] = {}
        self._large_buckets: dict[int, list[list[int]]] = {}
        if field.collisions:
            self._pairs = _grouped(field.collisions.pairs)
            large = field.collisions.large
            for row, buckets in _grouped(field.collisions.memberships).items():
                self._large_buckets[row] = [large[bucket] for bucket in buckets]

    def in_doubt(self) -> set[int]:
        """The rows that share anything with another."""
        return {*self._same, *self._pairs, *self._large_buckets}

    def match(self, row: int) -> Removal | None:
        """The row's removal; None where no row that stays is alike."""
        keeper = self._kept_same.get(self._same.get(row, -1))
        if keeper is not None:
            return Removal(row, keeper, self._name, Likeness("same", 1.0, 1.0))
        text = self._texts.comparable
        for candidate in self._candidates(row):
            if found := likeness(text(row), text(candidate), self._settings):
                return Removal(row, candidate, self._name, found)
        return None

    def keep(self, row: int) -> None:
        """Note a row that stays."""
        if row in self._same:
            self._kept_same[self._same[row]] = row
        for bucket in self._large_buckets.get(row, ()):
            if len(bucket) < self._settings.bucket_rows:
                bucket.append(row)

    def _candidates(self, row: int) -> list[int]:
        """Rows that stay and may be alike, best first."""
        found = {other for other in self._pairs.get(row, ()) if other not in self._gone}
        if large := self._large_buckets.get(row):
            crowd = set[int]().union(*large) - found
            pairs = pack(np.full(len(crowd), row), np.fromiter(sorted(crowd), np.int64, len(crowd)))
            found.update(unpack(promising_pairs(pairs, self._texts, self._settings))[1].tolist())
        return sorted(found)


def _grouped(packed: Words64) -> dict[int, list[int]]:
    """First number → the second numbers of sorted pairs."""
    firsts, seconds = unpack(packed)
    starts = np.flatnonzero(np.diff(firsts, prepend=-1))
    ends = np.append(starts[1:], len(firsts)).tolist()
    listed = seconds.tolist()
    bounds = zip(firsts[starts].tolist(), starts.tolist(), ends, strict=True) if len(firsts) else ()
    return {row: listed[start:end] for row, start, end in bounds}


def likely_pairs(pairs: Words64, texts: Texts, settings: DedupConfig) -> Words64:
    """The pairs whose estimated similarity leaves room for being alike."""
    return pairs[_estimates(pairs, texts, settings) >= settings.jaccard - _DOUBT]


def promising_pairs(pairs: Words64, texts: Texts, settings: DedupConfig) -> Words64:
    """The pairs that may be alike by their estimated and their edit similarity, for `likeness`."""
    kept: list[Words64] = [np.zeros(0, np.uint64)]
    for start in range(0, len(pairs), _PAIRS_AT_ONCE):
        block = likely_pairs(pairs[start : start + _PAIRS_AT_ONCE], texts, settings)
        rows, others = unpack(block)
        rearranged = _estimates(block, texts, settings) >= settings.jaccard
        left = [texts.comparable(row) for row in rows.tolist()]
        right = [texts.comparable(other) for other in others.tolist()]
        kept.append(block[may_be_alike(left, right, rearranged, settings)])
    return np.concatenate(kept)


def _estimates(pairs: Words64, texts: Texts, settings: DedupConfig) -> npt.NDArray[np.float64]:
    rows, others = unpack(pairs)
    return agreement(texts.sketches(rows), texts.sketches(others), settings)
