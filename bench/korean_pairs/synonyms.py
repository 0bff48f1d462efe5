"""Words and phrases that say the same, with the right particle behind them."""

from __future__ import annotations

import random
import re
from functools import cache
from typing import Final

from bench.korean_pairs.particles import AFTER_CONSONANT, attached
from bench.korean_pairs.texts import PHRASES, SYNONYMS

#: Each word with the one that may stand in its place.
EITHER_WAY: Final = (*SYNONYMS, *((new, old) for old, new in SYNONYMS))
# What may follow a word without changing its form.
_TAILS: Final = "에|의|도|만|까지|부터|보다|처럼|입니다|이다|인|이고|이며|들|씩|짜리|동안"
_FORMS: Final = sorted({*AFTER_CONSONANT, *AFTER_CONSONANT.values()}, key=len, reverse=True)
_AFTER_VOWEL: Final = {closed: opened for opened, closed in AFTER_CONSONANT.items()}


@cache
def whole_word(word: str) -> re.Pattern[str]:
    """Finds a word that no syllable precedes and that ends there, but for a particle (group 1)."""
    forms = "|".join(_FORMS)
    return re.compile(rf"(?<![가-힣]){re.escape(word)}(?:({forms})(?![가-힣])|(?={_TAILS})|(?![가-힣]))")


def swapped(text: str, old: str, new: str, count: int = 0) -> str:
    """A text with one word for another, the particle behind it in the form that the new word asks for.

    Args:
        count: how many occurrences from the left; 0 is all.
    """

    def replacement(found: re.Match[str]) -> str:
        form: str | None = found[1]
        return attached(new, _AFTER_VOWEL.get(form, form)) if form else new

    return whole_word(old).sub(replacement, text, count)


def rephrased(text: str, draw: random.Random) -> str:
    """A frame with some of its words and turns of phrase exchanged, each with a chance of 0.4."""
    for old, new in PHRASES:
        if draw.random() < 0.4:
            text = text.replace(old, new)
    for old, new in SYNONYMS:
        if draw.random() < 0.4:
            text = swapped(text, old, new)
    return text
