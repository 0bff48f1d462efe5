"""Measures of Korean text that several stages share."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Inside of a character class: syllables, jamo with their two extensions, compatibility and half-width jamo.
HANGUL_RANGES: Final = "가-힣ᄀ-ᇿㄱ-ㆎꥠ-ꥼힰ-ퟻﾡ-ￜ"
_JAMO = re.compile("[ᄀ-ᇿ]{2,}")
_NO_HANGUL = re.compile("[^가-힣ᄀ-ᇿㄱ-ㆎ]+")


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
