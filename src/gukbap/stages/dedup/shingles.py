"""Exact Jaccard similarities of the shingles of many pairs of texts, in arrays.

As text.Comparable.shingles and text.jaccard give them, without a set for each text.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gukbap.stages.dedup import kernels
from gukbap.stages.dedup.arrays import Indices, Words32, Words64
from gukbap.stages.dedup.folding import code_points

#: A shingle's number has at most so many bits, and stands beside that of a text or pair in 64.
_SHINGLE_BITS = 48


def jaccards(texts: Sequence[str], left: Indices, right: Indices, length: int) -> npt.NDArray[np.float64]:
    """The Jaccard similarities of pairs of texts; fewer than 2^16 of both.

    Args:
        texts: folded texts, each once.
        left: of each pair, the place of a text.
        right: of the other.
        length: characters of a shingle; a text shorter than that is its own.
    """
    points, ends = code_points(texts)
    if (library := kernels.library()) and length <= kernels.LONGEST_SHINGLE:
        found = np.empty(len(left))
        library.jaccards(points, ends, left, right, length, found)
        return found
    return in_numpy(points, ends, left, right, length)


def in_numpy(
    points: Words32, ends: Indices, left: Indices, right: Indices, length: int
) -> npt.NDArray[np.float64]:
    """The same of texts as code points, without the compiled library."""
    shingles, starts, bits = _distinct(points, ends, length)
    sizes = np.maximum(np.diff(starts), 1)
    pair = np.arange(len(left), dtype=np.uint64) << bits
    both = np.concatenate([_of(shingles, starts, side, pair) for side in (left, right)])
    both.sort()
    twice = both[1:][both[1:] == both[:-1]]
    shared = np.bincount((twice >> bits).astype(np.int64), minlength=len(left))
    # An empty text is a shingle of its own.
    shared += (starts[left] == starts[left + 1]) & (starts[right] == starts[right + 1])
    return np.asarray(shared / (sizes[left] + sizes[right] - shared))


def _of(shingles: Words64, starts: Indices, texts: Indices, tags: Words64) -> Words64:
    """The shingles of some texts one after the other, each with its text's tag."""
    sizes = starts[texts + 1] - starts[texts]
    shifts = starts[texts] - (np.cumsum(sizes) - sizes)
    places = np.arange(int(sizes.sum())) + np.repeat(shifts, sizes)
    return np.asarray(shingles[places] | np.repeat(tags, sizes))


def _distinct(points: Words32, ends: Indices, length: int) -> tuple[Words64, Indices, np.uint64]:
    """Numbers of the distinct shingles of each text, where each text begins, and how many bits they have."""
    lengths = np.diff(ends, prepend=0)
    width = np.uint64((int(points.max(initial=0)) + 1).bit_length())
    left = np.repeat(ends, lengths) - np.arange(len(points))
    # 0 is what lies behind a text's end.
    letters = np.concatenate([points.astype(np.uint64) + np.uint64(1), np.zeros(length, np.uint64)])
    numbers, bits = letters[: len(points)], int(width)
    for column in range(1, length):
        if bits + width > _SHINGLE_BITS:
            numbers = np.unique(numbers, return_inverse=True)[1].astype(np.uint64)
            bits = int(numbers.max(initial=0)).bit_length()
        numbers = (numbers << width) | (letters[column : column + len(points)] * (left > column))
        bits += int(width)
    # Only a text shorter than a shingle has one that reaches over its end.
    whole = (left >= length) | (left == np.repeat(lengths, lengths))
    owners = np.repeat(np.arange(len(ends), dtype=np.uint64), lengths)[whole]
    tagged = (owners << np.uint64(bits)) | numbers[whole]
    tagged.sort()
    tagged = tagged[np.concatenate(([True], tagged[1:] != tagged[:-1]))[: len(tagged)]]
    starts = np.searchsorted(tagged, np.arange(len(ends) + 1, dtype=np.uint64) << np.uint64(bits))
    return tagged & np.uint64((1 << bits) - 1), starts, np.uint64(bits)
