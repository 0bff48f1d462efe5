"""Pairs of instructions that are too alike to stand on both sides of a split."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence

from gukbap.stages.dedup.text import Comparable

#: Characters of a shingle: three find Korean variants of particle, ending and spacing.
_SHINGLE = 3
# 0.7 of 10 is not to be more than 7.
_ROUNDING = 1e-9


def alike(
    texts: Sequence[str], similarity: float, known: Callable[[int, int], bool] = lambda one, other: False
) -> Iterator[tuple[int, int]]:
    """Every pair of texts whose sets of character shingles reach a Jaccard similarity.

    An exact join with prefix filtering (Chaudhuri, Ganti and Kaushik, 2006; Bayardo, Ma and Srikant,
    2007): with each text's shingles ordered from rare to common, two texts that reach the similarity share
    one among their first few, so only holders of the same rare shingle are compared. Letters and
    digits count; case, spaces, punctuation and Unicode forms do not.

    Args:
        texts: compared with each other.
        similarity: above 0, at most 1.
        known: pairs for which this is true, when they come up, are passed over.

    Yields:
        The places of both texts.
    """
    sets = _rare_first([_shingles(text) for text in texts])
    holders: defaultdict[int, list[int]] = defaultdict(list)
    for one in sorted(range(len(sets)), key=lambda place: len(sets[place])):
        shingles = sets[one]
        size = len(shingles)
        candidates = {
            other
            for shingle in shingles[: _prefix(size, similarity)]
            for other in holders[shingle]
            if len(sets[other]) >= similarity * size - _ROUNDING
        }
        held = set(shingles)
        for other in sorted(candidates):
            if not known(one, other) and _jaccard(held, sets[other]) >= similarity:
                yield other, one
        # Later sets are no smaller, so that more of the two must be shared.
        for shingle in shingles[: _prefix(size, 2 * similarity / (1 + similarity))]:
            holders[shingle].append(one)


def _prefix(size: int, share: float) -> int:
    """How many of a set's first elements one must be of that are shared, where a share of all is."""
    return size - math.ceil(share * size - _ROUNDING) + 1


def _shingles(text: str) -> frozenset[str]:
    return Comparable.of(text).shingles(_SHINGLE)


def _rare_first(sets: Sequence[frozenset[str]]) -> list[list[int]]:
    """Each set's shingles as their ranks from the rarest on; what decides ties does not depend on order."""
    counts = Counter(shingle for shingles in sets for shingle in shingles)
    ordered = sorted(counts, key=lambda shingle: (counts[shingle], shingle))
    rank = {shingle: n for n, shingle in enumerate(ordered)}
    return [sorted(map(rank.__getitem__, shingles)) for shingles in sets]


def _jaccard(held: set[int], other: Sequence[int]) -> float:
    shared = len(held.intersection(other))
    return shared / (len(held) + len(other) - shared)
