"""Measures of Korean text that several stages share."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

# Inside of a character class: syllables, jamo with their two extensions, compatibility and half-width jamo.
HANGUL_RANGES: Final = "가-힣ᄀ-ᇿㄱ-ㆎꥠ-ꥼힰ-ퟻﾡ-ￜ"
_JAMO = re.compile("[ᄀ-ᇿ]{2,}")
_NO_HANGUL = re.compile("[^가-힣ᄀ-ᇿㄱ-ㆎ]+")
#: so many slices are kept ready
_COMMON_SLICES = 1024


def is_hangul(character: str) -> bool:
    """Whether a character is a Hangul syllable or letter (jamo, compatibility jamo)."""
    return "가" <= character <= "힣" or "ᄀ" <= character <= "ᇿ" or "ㄱ" <= character <= "ㆎ"


def compose_jamo(text: str) -> str:
    """A text whose decomposed Hangul (NFD, as macOS writes it) is syllables again; all else stays as it was.

    Full NFC would also sort combining marks, which takes quadratic time on a long run of them.
    """
    return _JAMO.sub(lambda run: unicodedata.normalize("NFC", run[0]), text)


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of a text, 0–1; digits, signs and spaces do not count.

    A text without any letter (a number, a formula) has the share 1: nothing in it is foreign.
    """
    letters = sum(map(str.isalpha, text))
    return len(_NO_HANGUL.sub("", text)) / letters if letters else 1.0


def eojeol_count(text: str) -> int:
    """Number of eojeol: the space-separated units in which Korean lengths are counted."""
    return len(text.split())


def windows(text: str, length: int) -> Iterator[str]:
    """All runs of `length` characters of a text, one begun at each; none of a text that is shorter."""
    # All in C: this runs over every reply, and over every pair that near-dedup finds alike.
    return map(text.__getitem__, _slices(length, max(0, len(text) - length + 1)))


def _slices(length: int, count: int) -> Iterable[slice]:
    if count <= _COMMON_SLICES:
        return _common_slices(length)[:count]
    return map(slice, range(count), range(length, length + count))


@cache
def _common_slices(length: int) -> list[slice]:
    return [slice(start, start + length) for start in range(_COMMON_SLICES)]
