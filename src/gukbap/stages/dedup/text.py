"""Texts in the form in which near-dedup compares them."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Distinct shingles of one text, sorted.
Shingles = npt.NDArray[np.uint64]

# What no change of spelling alters: numbers (1,000 is 1000) with their sign, operators between
# numbers, and the marks that tell C++ from C#. Letters and digits alone would lose all of it.
_FIXED_PARTS = re.compile(
    r"(?<![\w)])[-+−±](?=\d)"
    r"|\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d+(?:\.\d+)*"
    r"|(?<=\d)\s*[-+−*/⁄×÷^=<>]\s*(?=\d)"
    r"|(?<=[a-z])(?:\+\+|#)"
)
# A code point needs 21 bits, so three of them fit into 64 bits without loss.
_CODE_POINT_BITS, _PACKED_CODE_POINTS = np.uint64(21), 3


@dataclass(frozen=True)
class Comparable:
    """A text ready for comparison; equal ones say the same but for case, spaces and punctuation."""

    folded: str
    parts: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> Comparable:
        """Fold a text and take its fixed parts."""
        return cls(fold(text), fixed_parts(text))


def _compatible(text: str) -> str:
    # Case folding can leave composable characters behind, hence the second pass.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def fold(text: str) -> str:
    """A text as it is compared: NFKC, case folded, letters and digits alone.

    A text without any letter or digit keeps its other visible characters, so that "😀" and "😭"
    differ.
    """
    compatible = _compatible(text)
    return "".join(filter(str.isalnum, compatible)) or "".join(compatible.split())


def fixed_parts(text: str) -> tuple[str, ...]:
    """The numbers of a text in their order, and the operators between them: "3명" is not "4명"."""
    return tuple(part.strip().replace(",", "") for part in _FIXED_PARTS.findall(_compatible(text)))


def shingles(folded: str, length: int) -> Shingles:
    """The distinct character shingles of a folded text as sorted 64-bit numbers.

    The numbers depend on the text alone. Up to length 3 they stand for shingles one to one; longer
    shingles are hashed, and a given two of them meet with a probability of 2^-64. A text shorter
    than one shingle is one shingle by itself, so it is similar only to its equal.
    """
    points = np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    points = np.pad(points, (0, max(0, length - len(points))))
    windows = np.lib.stride_tricks.sliding_window_view(points, length)
    numbers = np.zeros(len(windows), dtype=np.uint64)
    for first in range(0, length, _PACKED_CODE_POINTS):
        packed = np.zeros(len(windows), dtype=np.uint64)
        for column in range(first, min(first + _PACKED_CODE_POINTS, length)):
            packed = (packed << _CODE_POINT_BITS) | windows[:, column]
        numbers = mix(numbers ^ packed)
    return np.unique(numbers)


def mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Spread 64-bit numbers evenly: the bijective finaliser of SplitMix64 (Steele et al., 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def jaccard(left: Shingles, right: Shingles) -> float:
    """Size of the intersection over size of the union, 0–1; neither set is empty."""
    both = np.sort(np.concatenate((left, right)))
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    return shared / (len(both) - shared)
