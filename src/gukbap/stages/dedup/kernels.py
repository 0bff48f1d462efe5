"""The compiled library, where installation could make one (tools/kernels.py)."""

from __future__ import annotations

import ctypes
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gukbap.stages.dedup.arrays import Indices, Words32, Words64

#: Three code points fit into a number of 64 bits.
LONGEST_SHINGLE = 3
SOURCE = Path(__file__).with_name("kernels.c")
LIBRARY = SOURCE.with_name("libkernels.so")
# dtypes, since an array's is compared with a type ten times more slowly.
_UINT8, _UINT32, _UINT64, _INT64, _FLOAT64 = map(
    np.dtype, (np.uint8, np.uint32, np.uint64, np.int64, np.float64)
)


class Library:
    """The functions of kernels.c, on arrays."""

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._loaded = loaded

    def cut(
        self,
        points: Words32,
        kinds: npt.NDArray[np.uint8],
        ends: Indices,
        letters: Words32,
        starts: Indices,
        spans: Indices,
        word_ends: Indices,
        words: Indices,
    ) -> None:
        """Fill what stands behind `ends` as folding.Cut has it."""
        self._loaded.gukbap_cut(
            _pointer(points, _UINT32),
            _pointer(kinds, _UINT8),
            _pointer(ends, _INT64),
            ctypes.c_int64(len(ends)),
            _pointer(letters, _UINT32),
            _pointer(starts, _INT64),
            _pointer(spans, _INT64),
            _pointer(word_ends, _INT64),
            _pointer(words, _INT64),
        )

    def sign(
        self,
        points: Words32,
        starts: Indices,
        numbers: Words64,
        length: int,
        factors: Words32,
        band_factors: Words64,
        keys: Words32,
        sketches: Words64,
    ) -> None:
        """Fill keys and sketches, which hold zeros, as minhash.in_numpy makes them.

        Raises:
            MemoryError: there was none.
        """
        failed = self._loaded.gukbap_sign(
            _pointer(points, _UINT32),
            _pointer(starts, _INT64),
            ctypes.c_int64(len(numbers)),
            _pointer(numbers, _UINT64),
            ctypes.c_int64(length),
            _pointer(factors, _UINT32),
            ctypes.c_int64(len(factors)),
            ctypes.c_int64(len(keys)),
            ctypes.c_int64(len(band_factors)),
            _pointer(band_factors, _UINT64),
            _pointer(keys, _UINT32),
            _pointer(sketches, _UINT64),
            ctypes.c_int64(sketches.shape[1] * sketches.itemsize),
        )
        if failed:
            raise MemoryError(f"no memory to sign {len(numbers)} texts")

    def jaccards(
        self,
        points: Words32,
        ends: Indices,
        left: Indices,
        right: Indices,
        length: int,
        found: npt.NDArray[np.float64],
    ) -> None:
        """Fill `found` with what shingles.in_numpy gives; a shingle has LONGEST_SHINGLE characters at most.

        Raises:
            MemoryError: there was none.
        """
        failed = self._loaded.gukbap_jaccards(
            _pointer(points, _UINT32),
            _pointer(ends, _INT64),
            ctypes.c_int64(len(ends)),
            _pointer(left, _INT64),
            _pointer(right, _INT64),
            ctypes.c_int64(len(left)),
            ctypes.c_int64(length),
            _pointer(found, _FLOAT64),
        )
        if failed:
            raise MemoryError(f"no memory to compare {len(left)} pairs of texts")


@cache
def library() -> Library | None:
    """The library; None where there is none, or it was made of another source than that beside it."""
    try:
        loaded = ctypes.CDLL(str(LIBRARY))
        loaded.gukbap_source.restype = ctypes.c_char_p
        made_of: bytes = loaded.gukbap_source()
        current = made_of.decode() == hashlib.sha256(SOURCE.read_bytes()).hexdigest()
    except (OSError, AttributeError):  # no library, or another one
        return None
    return Library(loaded) if current else None


def _pointer(array: npt.NDArray[Any], kind: np.dtype[Any]) -> ctypes.c_void_p:
    if array.dtype != kind or not array.flags.c_contiguous:
        raise TypeError(f"expected a contiguous array of {kind}, not of {array.dtype}")
    # array.ctypes takes twice as long.
    address: int = array.__array_interface__["data"][0]
    return ctypes.c_void_p(address)
