"""Which texts may be near-duplicates: an exact join for few texts, MinHash for many.

MinHash: Broder, "On the resemblance and containment of documents" (1997). With b bands of r
permutations each, two texts of Jaccard similarity s become a candidate pair with the probability
1 − (1 − s^r)^b.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gukbap.config import DedupSettings
from gukbap.stages.dedup.text import Comparable, mix, shingles

Indices = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
#: Pairs of text numbers: element k of one array belongs to element k of the other.
Pairs = tuple[Indices, Indices]

# Bounds on what is held at once; results do not depend on them.
_HASHES_AT_ONCE = 2_000_000
_PAIRS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Corpus:
    """The shingles of all texts in one array: those of text i stand at offsets[i]:offsets[i + 1]."""

    shingles: Hashes
    offsets: Indices
    #: equal numbers for equal fixed parts
    parts: Indices
    #: the shingles again, as numbers from 0 on without gaps
    tokens: Indices
    #: how many distinct shingles each text has
    sizes: Indices

    @classmethod
    def of(cls, texts: Sequence[Comparable], length: int) -> Corpus:
        """Shingle the texts; `length` in characters."""
        sets = [shingles(text.folded, length) for text in texts]
        known: dict[tuple[str, ...], int] = {}
        parts = [known.setdefault(text.parts, len(known)) for text in texts]
        flat = np.concatenate(sets) if sets else np.zeros(0, dtype=np.uint64)
        offsets = np.cumsum([0, *map(len, sets)], dtype=np.int64)
        _, tokens = np.unique(flat, return_inverse=True)
        return cls(flat, offsets, np.array(parts, dtype=np.int64), tokens, np.diff(offsets))

    def __len__(self) -> int:
        return len(self.parts)

    def tokens_of(self, text: int) -> Indices:
        """The distinct shingles of one text."""
        return self.tokens[self.offsets[text] : self.offsets[text + 1]]

    def tokens_of_all(self, texts: Indices) -> Pairs:
        """The distinct shingles of several texts one after the other, and where each text's begin."""
        sizes = self.sizes[texts]
        begins = np.cumsum(sizes) - sizes
        places = np.arange(int(sizes.sum())) + np.repeat(self.offsets[texts] - begins, sizes)
        return self.tokens[places], begins


def similar_pairs(corpus: Corpus, similarity: float, advance: Callable[[int], None]) -> Iterator[Pairs]:
    """All pairs with equal fixed parts and a Jaccard similarity of at least `similarity`.

    An inverted index counts each text's overlaps with all earlier texts at once: time grows with
    the sum over shingles of the square of how many texts hold them.
    """
    sizes = corpus.sizes
    holders = np.repeat(np.arange(len(corpus)), sizes)[np.argsort(corpus.tokens, kind="stable")]
    starts = np.concatenate(([0], np.cumsum(np.bincount(corpus.tokens))))
    for text in range(len(corpus)):
        postings = [holders[starts[token] : starts[token + 1]] for token in corpus.tokens_of(text)]
        shared = np.bincount(np.concatenate(postings), minlength=text)[:text]
        alike = shared / (sizes[text] + sizes[:text] - shared) >= similarity
        earlier = np.flatnonzero(alike & (corpus.parts[:text] == corpus.parts[text]))
        yield np.full(len(earlier), text), earlier
        advance(1)


def candidate_pairs(
    corpus: Corpus, settings: DedupSettings, advance: Callable[[int], None]
) -> Iterator[Pairs]:
    """Pairs that agree in a band of their MinHash signatures, for `verified_pairs`.

    Whether a pair is proposed depends on its two texts and the seed alone, never on other texts.
    Signatures are made band by band, so that memory holds one key a text and not all permutations.
    """
    rows_a_band = settings.dedup.permutations // settings.dedup.bands
    waiting: list[Indices] = []
    for band in range(settings.dedup.bands):
        keys = mix(corpus.parts.astype(np.uint64))
        for row in range(rows_a_band):
            keys = mix(keys ^ _minima(corpus, settings.seed, band * rows_a_band + row))
        for left, right in _pairs_of_equal_keys(keys):
            close = _sizes_allow(corpus.sizes, left, right, settings.dedup.similarity)
            waiting.append((left * len(corpus) + right)[close])
            if sum(map(len, waiting)) >= _PAIRS_AT_ONCE:
                yield _distinct_pairs(waiting, len(corpus))
                waiting = []
        done, now_done = (len(corpus) * b // settings.dedup.bands for b in (band, band + 1))
        advance(now_done - done)
    yield _distinct_pairs(waiting, len(corpus))


def verified_pairs(corpus: Corpus, pairs: Pairs, similarity: float) -> Pairs:
    """Those pairs that have equal fixed parts and reach the similarity; `pairs` sorted by their left."""
    left, right = pairs
    same_parts = corpus.parts[left] == corpus.parts[right]
    left, right = left[same_parts], right[same_parts]
    texts, starts, counts = np.unique(left, return_index=True, return_counts=True)
    held = np.zeros(int(corpus.tokens.max(initial=0)) + 1, dtype=np.bool_)
    alike = np.zeros(len(left), dtype=np.bool_)
    for text, first, last in zip(texts, starts, starts + counts, strict=True):
        own, others = corpus.tokens_of(text), right[first:last]
        held[own] = True
        tokens, begins = corpus.tokens_of_all(others)
        shared = np.add.reduceat(held[tokens], begins, dtype=np.int64)
        alike[first:last] = shared / (len(own) + corpus.sizes[others] - shared) >= similarity
        held[own] = False
    return left[alike], right[alike]


def _minima(corpus: Corpus, seed: int, permutation: int) -> Hashes:
    """The least hash of each text under one seeded permutation h → a·h + b mod 2^64, a odd."""
    digest = hashlib.blake2b(f"{seed}:{permutation}".encode(), digest_size=16).digest()
    factor, offset = np.frombuffer(digest, dtype="<u8").astype(np.uint64)
    minima = np.empty(len(corpus), dtype=np.uint64)
    for first, last in _blocks(corpus.offsets):
        begin, end = corpus.offsets[first], corpus.offsets[last]
        hashes = corpus.shingles[begin:end] * (factor | np.uint64(1)) + offset
        minima[first:last] = np.minimum.reduceat(hashes, corpus.offsets[first:last] - begin)
    return minima


def _blocks(offsets: Indices) -> Iterator[tuple[int, int]]:
    """Ranges of texts, each with about _HASHES_AT_ONCE shingles and at least one text."""
    first, texts = 0, len(offsets) - 1
    while first < texts:
        last = int(np.searchsorted(offsets, offsets[first] + _HASHES_AT_ONCE, side="right")) - 1
        last = min(max(last, first + 1), texts)
        yield first, last
        first = last


def _pairs_of_equal_keys(keys: Hashes) -> Iterator[Pairs]:
    """Every pair of positions with equal keys, in blocks; the smaller position comes first."""
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    places = np.arange(len(keys))
    distance = 1
    while len(places := places[places + distance < len(keys)]):
        places = places[keys[places] == keys[places + distance]]
        yield order[places], order[places + distance]
        distance += 1


def _sizes_allow(sizes: Indices, left: Indices, right: Indices, similarity: float) -> npt.NDArray[np.bool_]:
    """Whether two sets of such sizes can reach the similarity at all."""
    smaller, larger = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    return np.asarray(smaller / larger >= similarity)


def _distinct_pairs(codes: list[Indices], texts: int) -> Pairs:
    distinct = np.unique(np.concatenate(codes)) if codes else np.zeros(0, dtype=np.int64)
    return distinct // max(texts, 1), distinct % max(texts, 1)
