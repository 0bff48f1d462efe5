"""Keys of bands and sketches out of folded texts, by MinHash.

MinHash: Broder, "On the resemblance and containment of documents" (1997). Banding: with b bands of r
minima each, two texts of Jaccard similarity s share a band with the probability 1 − (1 − s^r)^b. A
permutation is h → a·h mod 2^32 with an odd, seeded a over well mixed shingles; a band's key is the upper half
of the sum of its minima times 64-bit factors (multilinear hashing: Lemire and Kaser 2014).

The compiled library (kernels.c) does this several times as fast; where there is none, NumPy does, to the same
bits.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gukbap.config import DedupConfig
from gukbap.stages.dedup import kernels
from gukbap.stages.dedup.arrays import Indices, Words32, Words64

#: Permutations at the least, so that sketches tell enough where there are few bands.
_LEAST_PERMUTATIONS = 64
# Shingles hashed at once: the matrix stays in the processor's cache. Results do not depend on it.
_HASHES_AT_ONCE = 1 << 17
_TEXTS_AT_ONCE = 1024


def keys_and_sketches(
    points: Words32, starts: Indices, numbers: Words64, settings: DedupConfig, seed: int
) -> tuple[Words32, Words64]:
    """Sign folded texts.

    Args:
        points: the code points of all n texts, one after the other.
        starts: where each of them begins, and where the last one ends.
        numbers: of each text, a hash of its numbers.
        settings: shingles and bands.
        seed: of the permutations.

    Returns:
        Keys, bands × n, and sketches, n × words (signatures.Signatures).
    """
    if not (library := kernels.library()):
        return in_numpy(points, starts, numbers, settings, seed)
    keys = np.empty((settings.bands, len(numbers)), np.uint32)
    sketches = np.zeros((len(numbers), -(-permutations(settings) // 64)), np.uint64)
    factors = _factors(seed, permutations(settings)), _odd(seed + 1, settings.band_rows)
    library.sign(points, starts, numbers, settings.shingle_chars, *factors, keys, sketches)
    return keys, sketches


def in_numpy(
    points: Words32, starts: Indices, numbers: Words64, settings: DedupConfig, seed: int
) -> tuple[Words32, Words64]:
    """What keys_and_sketches gives, without the compiled library."""
    minima = _minima(points, starts, settings, seed)
    keys = np.empty((settings.bands, len(numbers)), np.uint32)
    factors = _odd(seed + 1, settings.band_rows)
    for band in range(settings.bands):
        # Half of the bands look at the numbers, which keeps templates apart that are filled with numbers;
        # the others do not, since a number may be written in words.
        key = numbers.copy() if band % 2 == 0 else np.zeros_like(numbers)
        for row, factor in enumerate(factors):
            key += minima[band * settings.band_rows + row] * factor
        keys[band] = key >> np.uint64(32)
    return keys, _sketches(minima)


def permutations(settings: DedupConfig) -> int:
    """How many permutations a signature has."""
    return max(settings.bands * settings.band_rows, _LEAST_PERMUTATIONS)


def agreement(one: Words64, other: Words64, settings: DedupConfig) -> npt.NDArray[np.float64]:
    """The Jaccard similarities of pairs of texts, estimated from their sketches.

    Two bits of a minimum agree for the same shingle, and for different ones half of the time (b-bit
    minwise hashing with b = 1: Li and König, 2010). Standard deviation: √((1 − J²) / permutations).
    """
    different = np.bitwise_count(one ^ other).sum(axis=-1, dtype=np.int64)
    return np.asarray(1.0 - 2.0 * different / permutations(settings))


def most_differing(similarity: float, settings: DedupConfig) -> int:
    """In how many bits two sketches differ at the most whose agreement is that similarity; −1 if none is."""
    count = permutations(settings)
    return max((bits for bits in range(count + 1) if 1.0 - 2.0 * bits / count >= similarity), default=-1)


def _sketches(minima: Words32) -> Words64:
    # The high bits of minima are all alike, being of small numbers: spread them first.
    bits = np.packbits((_mix32(minima) & np.uint32(1)).astype(np.bool_).T, axis=1)
    padded = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8)))
    return np.ascontiguousarray(padded).view(np.uint64)


def _minima(points: Words32, starts: Indices, settings: DedupConfig, seed: int) -> Words32:
    """permutations × texts: the least hash of each text's shingles under each permutation."""
    length = settings.shingle_chars
    hashes, starts = _shingle_hashes(points, starts, length)
    counts = np.diff(starts) - length + 1
    factors = _factors(seed, permutations(settings))
    minima = np.empty((len(factors), len(counts)), dtype=np.uint32)
    # Texts of one length side by side: all columns of a matrix end together.
    order = np.argsort(counts, kind="stable")
    groups = list(_groups(counts[order]))
    most = max(
        (int(counts[order[group.stop - 1]]) * (group.stop - group.start) for group in groups), default=0
    )
    # Filled anew for each group: memory that is asked for anew costs more than what is done with it.
    places, block, permuted = np.empty(most, np.int64), np.empty(most, np.uint32), np.empty(most, np.uint32)
    for group in groups:
        texts = order[group]
        shape = int(counts[texts[-1]]), len(texts)
        at, hashed, product = (
            buffer[: shape[0] * shape[1]].reshape(shape) for buffer in (places, block, permuted)
        )
        # A text's last shingle fills its column: a minimum does not see a repetition.
        np.minimum(np.arange(shape[0])[:, None], counts[texts] - 1, out=at)
        at += starts[:-1][texts]
        np.take(hashes, at, out=hashed, mode="clip")
        least = np.empty((len(factors), len(texts)), dtype=np.uint32)
        for number, factor in enumerate(factors):
            np.multiply(hashed, factor, out=product)
            np.minimum.reduce(product, axis=0, out=least[number])
        minima[:, texts] = least
    return minima


def _shingle_hashes(points: Words32, starts: Indices, length: int) -> tuple[Words32, Indices]:
    """A hash of the shingle that begins at each character, and where each text begins.

    Texts shorter than a shingle are filled up with zeros, so that each is one shingle of its own.
    """
    counts = np.diff(starts)
    if len(counts) and counts.min() < length:
        padded = np.concatenate(([0], np.cumsum(np.maximum(counts, length))))
        wide = np.zeros(int(padded[-1]), dtype=np.uint32)
        wide[np.arange(len(points)) + np.repeat(padded[:-1] - starts[:-1], counts)] = points
        points, starts = wide, padded
    hashes = np.zeros(len(points), dtype=np.uint32)
    for column in range(length):
        # Shingles that reach over a text's end are never asked for.
        hashes[: len(points) - column] ^= points[column:]
        hashes = _mix32(hashes)
    return hashes, starts


def _groups(counts: Indices) -> Iterator[slice]:
    """Slices of texts, sorted by their counts, whose matrix has about _HASHES_AT_ONCE shingles."""
    first = 0
    while first < len(counts):
        last = min(len(counts), first + _TEXTS_AT_ONCE)
        while last - first > 1 and (
            int(counts[last - 1]) * (last - first) > _HASHES_AT_ONCE
            or counts[last - 1] > counts[first] + counts[first] // 4 + 8
        ):
            last = first + (last - first + 1) // 2
        yield slice(first, last)
        first = last


def _factors(seed: int, count: int) -> Words32:
    """Odd factors of 32 bits."""
    return (_odd(seed, count) >> np.uint64(32)).astype(np.uint32) | np.uint32(1)


def _odd(seed: int, count: int) -> Words64:
    """Odd numbers, drawn by the seed; the first ones do not depend on how many there are."""
    return _mix64(np.arange(count, dtype=np.uint64) + _mix64(np.array([seed], dtype=np.uint64))) | np.uint64(
        1
    )


def _mix32(values: Words32) -> Words32:
    """Spread 32-bit numbers evenly: the bijective finaliser of MurmurHash3 (Appleby)."""
    values = (values ^ (values >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    values = (values ^ (values >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    return values ^ (values >> np.uint32(16))


def _mix64(values: Words64) -> Words64:
    """Spread 64-bit numbers evenly: the bijective finaliser of SplitMix64 (Steele et al., 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
