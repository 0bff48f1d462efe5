"""Which evaluation texts a row may hold: an inverted index of their character 3-grams.

The index is small (some thousand grams), the rows are many: the grams of many rows are looked up at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Grams = npt.NDArray[np.uint64]

GRAM_LETTERS = 3
#: A text is a candidate from this share of its grams on. Of prompts that were perturbed in six ways the least
#: held 0.4 of them, of innocent texts the most 0.36 (bench/decontamination.py).
MIN_SHARED = 0.3

_CODE_POINT_BITS = np.uint64(21)
_FILTER_BITS = np.uint64(22)
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # Fibonacci hashing: 2^64 divided by the golden ratio
_SEPARATOR = "\n"


def grams(text: str) -> Grams:
    """The 3-grams of a text one after the other, as 64-bit numbers, without loss."""
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    if len(points) < GRAM_LETTERS:
        return np.zeros(0, dtype=np.uint64)
    first, second, third = points[:-2], points[1:-1], points[2:]
    return (((first << _CODE_POINT_BITS) | second) << _CODE_POINT_BITS) | third


class GramIndex:
    """The 3-grams of some texts, each with the texts that hold it."""

    def __init__(self, texts: Sequence[str]) -> None:
        """`texts`: letters alone, as `letters.letters` gives them."""
        distinct = [np.unique(grams(text)) for text in texts]
        self._sizes = np.maximum(1, np.array([len(one) for one in distinct], dtype=np.int64))
        flat = np.concatenate([np.zeros(0, dtype=np.uint64), *distinct])
        holders = np.repeat(np.arange(len(texts)), [len(one) for one in distinct])
        self._grams, ranks = np.unique(flat, return_inverse=True)
        self._holders = holders[np.argsort(ranks, kind="stable")]
        self._starts = np.concatenate(([0], np.cumsum(np.bincount(ranks, minlength=len(self._grams)))))
        self._filter = np.zeros(1 << int(_FILTER_BITS), dtype=bool)
        self._filter[_hashes(self._grams)] = True

    def candidates(self, windows: Sequence[str]) -> Iterator[tuple[int, int]]:
        """(number of a window, number of a text) where the window holds enough of the text's grams."""
        if not windows or not len(self._grams):
            return
        keys = grams(_SEPARATOR.join(windows) + _SEPARATOR * GRAM_LETTERS)
        owners = np.repeat(np.arange(len(windows)), [len(window) + 1 for window in windows])
        owners = np.concatenate((owners, np.full(max(0, len(keys) - len(owners)), len(windows) - 1)))
        likely = np.flatnonzero(self._filter[_hashes(keys)])
        ranks = np.searchsorted(self._grams, keys[likely])
        ranks[ranks == len(self._grams)] = 0
        known = self._grams[ranks] == keys[likely]
        pairs = np.unique(owners[likely[known]] * len(self._grams) + ranks[known])
        owner, rank = np.divmod(pairs, len(self._grams))
        held = self._starts[rank + 1] - self._starts[rank]
        places = np.arange(int(held.sum())) + np.repeat(self._starts[rank] - (np.cumsum(held) - held), held)
        cells = np.repeat(owner, held) * len(self._sizes) + self._holders[places]
        counts = np.bincount(cells, minlength=len(windows) * len(self._sizes)).reshape(len(windows), -1)
        for window, text in np.argwhere(counts >= MIN_SHARED * self._sizes):
            yield int(window), int(text)


def _hashes(keys: Grams) -> npt.NDArray[np.int64]:
    return ((keys * _MULTIPLIER) >> (np.uint64(64) - _FILTER_BITS)).astype(np.int64)
