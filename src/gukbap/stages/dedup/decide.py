"""Which rows stay: the best ones that are not near-duplicates of better ones that stay.

Rows are looked at by rank. A row goes when it is alike a row that stays, and that row is its keeper:
whatever goes is alike its keeper itself, and not by a chain of others. Since rows of an index come
first, deciding new rows against what the index kept gives what deciding all rows at once would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from gukbap.config import DedupConfig
from gukbap.stages.dedup.alike import Likeness, Measured, alike_by_gist, likeness
from gukbap.stages.dedup.arrays import Indices, Words64
from gukbap.stages.dedup.chunks import FieldName
from gukbap.stages.dedup.collisions import Collisions, pack, unpack
from gukbap.stages.dedup.folding import comparables
from gukbap.stages.dedup.minhash import agreement, most_differing
from gukbap.stages.dedup.shared import Keepers, Shared
from gukbap.stages.dedup.shingles import jaccards
from gukbap.stages.dedup.text import Comparable

#: How far the estimate of a pair's Jaccard similarity may lie below what is asked of it: about 1.5
#: standard deviations. Few pairs that are alike lie that low at all.
_DOUBT = 0.1
# Rows and pairs that are measured at once, so that arrays stay small, and texts kept at hand. Results do
# not depend on them.
_ROWS_AT_ONCE, _PAIRS_AT_ONCE = 512, 128
_TEXTS_AT_HAND = 1 << 14
_SAME = Likeness("same", 1.0, 1.0)


class Removal(NamedTuple):
    """A row that goes, by rank, with the row that stays in its place."""

    row: int
    keeper: int
    field: FieldName
    likeness: Likeness


class Texts:
    """The comparable texts of one field, with their sketches, by rank; those of an index come first."""

    def __init__(
        self, texts: Callable[[Sequence[int]], list[str]], sketches: Callable[[Indices], Words64]
    ) -> None:
        self.sketches = sketches
        self._texts = texts
        self._at_hand: dict[int, Comparable] = {}
        self._sketches_at_hand: dict[int, int] = {}

    def __getitem__(self, row: int) -> Comparable:
        found = self._at_hand.get(row)
        if found is None:
            found = Comparable(self._texts([row])[0])
            self._hold({row: found})
        return found

    def several(self, rows: Sequence[int]) -> list[Comparable]:
        """The texts of some rows, which stay at hand for a while."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._at_hand]
        made = dict(zip(missing, comparables(self._texts(missing)), strict=True))
        found = [made.get(row) or self._at_hand[row] for row in rows]
        self._hold(made)
        return found

    def sketch(self, row: int) -> int:
        """One row's sketch as a number."""
        if row not in self._sketches_at_hand:
            self._hold_sketches([row])
        return self._sketches_at_hand[row]

    def prepare(self, rows: Sequence[int]) -> None:
        """Have the texts and sketches of some rows at hand, which costs less than one at a time."""
        for place in range(0, len(rows), _PAIRS_AT_ONCE):
            some = rows[place : place + _PAIRS_AT_ONCE]
            self.several(some)
            self._hold_sketches([row for row in some if row not in self._sketches_at_hand])

    def _hold_sketches(self, rows: Sequence[int]) -> None:
        if len(self._sketches_at_hand) + len(rows) > _TEXTS_AT_HAND:
            self._sketches_at_hand.clear()
        sketches = self.sketches(np.array(rows, np.int64))
        numbers = (int.from_bytes(sketch.tobytes(), "little") for sketch in sketches)
        self._sketches_at_hand.update(zip(rows, numbers, strict=True))

    def _hold(self, made: Mapping[int, Comparable]) -> None:
        if len(self._at_hand) + len(made) > _TEXTS_AT_HAND:
            self._at_hand.clear()
        self._at_hand.update(made)


@dataclass(frozen=True)
class Field:
    """One field of all rows, by rank, those of an index first."""

    name: FieldName
    texts: Texts
    #: which rows have the same text, and which the same gist
    same: Shared
    gist: Shared
    #: None where only the same texts count
    collisions: Collisions | None


def decide(
    settings: DedupConfig, rows: range, fields: Sequence[Field], advance: Callable[[int], None]
) -> list[Removal]:
    """Decide `rows`; those before them stay already.

    Returns:
        What goes, in the order of rank.
    """
    gone = bytearray(rows.stop)
    matchers = [_Matcher(field, settings, rows, gone) for field in fields]
    removals: list[Removal] = []
    shared = [np.zeros(0, np.int64), *(matcher.in_doubt() for matcher in matchers)]
    doubtful = np.unique(np.concatenate(shared)).tolist()
    done = rows.start
    for start in range(0, len(doubtful), _ROWS_AT_ONCE):
        block = doubtful[start : start + _ROWS_AT_ONCE]
        for matcher in matchers:
            matcher.measure(block[0], block[-1] + 1)
        for row in block:
            for matcher in matchers:
                if removal := matcher.match(row):
                    gone[row] = True
                    removals.append(removal)
                    break
            else:
                for matcher in matchers:
                    matcher.keep(row)
        advance(block[-1] - done)
        done = block[-1]
    advance(rows.stop - done)
    return removals


class _Matcher:
    """Finds a row's keeper by one field."""

    def __init__(self, field: Field, settings: DedupConfig, rows: range, gone: bytearray) -> None:
        self._settings, self._gone, self._name, self._texts = settings, gone, field.name, field.texts
        self._start = rows.start
        self._same, self._gist = (Keepers(one, rows.start) for one in (field.same, field.gist))
        self._most_differing = most_differing(settings.jaccard - _DOUBT, settings)
        self._most_rearranged = most_differing(settings.jaccard, settings)
        # Rows with the text of a better one: nearly all go for that, and need not be compared.
        self._later = field.same.numbers >= 0
        self._later[np.unique(field.same.numbers, return_index=True)[1]] = False
        collisions = field.collisions or Collisions(np.zeros(0, np.uint64), np.zeros(0, np.uint64), [])
        self._pairs, self._memberships = collisions.pairs, collisions.memberships
        self._large = collisions.large
        # Of the rows that were measured last:
        self._measured: dict[int, list[tuple[int, Measured]]] = {}
        self._unmeasured: dict[int, list[tuple[int, Measured]]] = {}
        self._buckets: dict[int, list[list[int]]] = {}

    def in_doubt(self) -> Indices:
        """The rows that share anything with another."""
        shared = (self._same.in_doubt(), self._gist.in_doubt())
        return np.concatenate([*shared, unpack(self._pairs)[0], unpack(self._memberships)[0]])

    def measure(self, start: int, stop: int) -> None:
        """Prepare to match the rows of a range, all at once."""
        self._same.look_at(start, stop)
        self._gist.look_at(start, stop)
        pairs = _within(self._pairs, start, stop)
        # Most that are decided by now; the others of this range are passed over when it comes to them.
        pairs = pairs[~np.frombuffer(self._gone, np.bool_)[unpack(pairs)[1]]]
        later = self._later[unpack(pairs)[0] - self._start]
        self._measured, first = {}, pairs[~later]
        for place in range(0, len(first), _PAIRS_AT_ONCE):
            found = _measured(first[place : place + _PAIRS_AT_ONCE], self._texts, self._settings)
            for row, candidate, known in found:
                self._measured.setdefault(row, []).append((candidate, known))
        self._unmeasured = {}
        rest = pairs[later]
        rearranged = _estimates(rest, self._texts, self._settings) >= self._settings.jaccard
        for row, candidate, one in zip(*_listed(rest), rearranged.tolist(), strict=True):
            self._unmeasured.setdefault(row, []).append((candidate, Measured(rearranged=one)))
        crowded = _grouped(_within(self._memberships, start, stop))
        self._buckets = {row: [self._large[bucket] for bucket in buckets] for row, buckets in crowded.items()}
        alone = [row for row in crowded if not self._later[row - self._start]]
        members = {member for row in alone for bucket in self._buckets[row] for member in bucket}
        self._texts.prepare([*alone, *members])

    def match(self, row: int) -> Removal | None:
        """The row's removal; None where no row that stays is alike."""
        if (keeper := self._same.keeper(row)) is not None:
            return Removal(row, keeper, self._name, _SAME)
        if (keeper := self._gist.keeper(row)) is not None:
            alike = alike_by_gist(self._texts[row], self._texts[keeper], self._settings)
            return Removal(row, keeper, self._name, alike)
        for candidate, known in self._candidates(row):
            if found := likeness(self._texts[row], self._texts[candidate], self._settings, known):
                return Removal(row, candidate, self._name, found)
        return None

    def keep(self, row: int) -> None:
        """Note a row that stays."""
        self._same.keep(row)
        self._gist.keep(row)
        for bucket in self._buckets.get(row, ()):
            if len(bucket) < self._settings.bucket_rows:
                bucket.append(row)

    def _candidates(self, row: int) -> list[tuple[int, Measured]]:
        """Rows that stay and may be alike, best first."""
        known = self._measured.get(row) or self._unmeasured.get(row) or []
        found = [one for one in known if not self._gone[one[0]]]
        if row not in self._buckets:
            return found
        others = set().union(*self._buckets[row]).difference([other for other, _ in found])
        return sorted([*found, *self._promising(row, sorted(others))]) if others else found

    def _promising(self, row: int, others: Iterable[int]) -> list[tuple[int, Measured]]:
        """Which of some rows may be alike this one: few, so that arrays would cost more than they save."""
        texts, least = self._texts, self._settings.similarity
        folded, sketch = texts[row].folded, texts.sketch(row)
        found = []
        for other in others:
            differing = (sketch ^ texts.sketch(other)).bit_count()
            if differing > self._most_differing:
                continue
            rearranged = differing <= self._most_rearranged
            edit = Levenshtein.normalized_similarity(folded, texts[other].folded, score_cutoff=least)
            if edit or rearranged:
                found.append((other, Measured(edit, None, rearranged)))
        return found


def _within(packed: Words64, start: int, stop: int) -> Words64:
    """The sorted pairs whose first number is in a range."""
    bounds = pack(np.array([start, stop]), np.zeros(2, np.int64))
    first, last = np.searchsorted(packed, bounds).tolist()
    return packed[first:last]


def _listed(packed: Words64) -> tuple[list[int], list[int]]:
    firsts, seconds = unpack(packed)
    return firsts.tolist(), seconds.tolist()


def _grouped(packed: Words64) -> dict[int, list[int]]:
    """First number → the second numbers of sorted pairs."""
    groups: dict[int, list[int]] = {}
    for first, second in zip(*_listed(packed), strict=True):
        groups.setdefault(first, []).append(second)
    return groups


def likely_pairs(pairs: Words64, texts: Texts, settings: DedupConfig) -> Words64:
    """The pairs whose estimated similarity leaves room for being alike."""
    return pairs[_estimates(pairs, texts, settings) >= settings.jaccard - _DOUBT]


def _measured(pairs: Words64, texts: Texts, settings: DedupConfig) -> Iterator[tuple[int, int, Measured]]:
    """The pairs that may be alike, and what is known of them."""
    rearranged = _estimates(pairs, texts, settings) >= settings.jaccard
    sides = unpack(pairs)
    numbers, places = np.unique(np.concatenate(sides), return_inverse=True)
    folded = [text.folded for text in texts.several(numbers.tolist())]
    left, right = places[: len(pairs)], places[len(pairs) :]
    ones, others = ([folded[place] for place in side.tolist()] for side in (left, right))
    edits = _edit_similarities(ones, others, settings)
    chosen = np.flatnonzero(rearranged | (edits > 0))
    shared = jaccards(folded, left[chosen], right[chosen], settings.shingle_chars)
    enough = shared >= min(settings.jaccard, settings.rearranged_jaccard)
    columns = (*(column[chosen[enough]] for column in (*sides, edits, rearranged)), shared[enough])
    for row, other, edit, order, jaccard in zip(*(column.tolist() for column in columns), strict=True):
        yield row, other, Measured(edit, jaccard, order)


def _edit_similarities(
    left: Sequence[str], right: Sequence[str], settings: DedupConfig
) -> npt.NDArray[np.float64]:
    scorer, least = Levenshtein.normalized_similarity, settings.similarity
    return np.asarray(cpdist(left, right, scorer=scorer, score_cutoff=least, dtype=np.float64))


def _estimates(pairs: Words64, texts: Texts, settings: DedupConfig) -> npt.NDArray[np.float64]:
    rows, others = unpack(pairs)
    return agreement(texts.sketches(rows), texts.sketches(others), settings)
