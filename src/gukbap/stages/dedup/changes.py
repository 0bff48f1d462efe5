"""Where two texts differ, and in which words."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from string import digits
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from gukbap.stages.dedup.numerals import is_numeral, may_be_number
from gukbap.stages.dedup.text import Comparable
from gukbap.stages.dedup.units import is_amount, unit_of
from gukbap.stages.dedup.words import is_grammar, is_suffix, stem

_ABOUT = 3
# A word has changed where at least one in so many letters of its stem has: 초등학생 is no 고등학생.
_LETTERS_A_CHANGE = 4
Span = tuple[int, int]


class Changed(NamedTuple):
    """A word of content that differs."""

    word: str
    stem: str
    #: what a number counts in it: a unit, or letters that are none; "" where it counts nothing
    counts: str
    #: which of the text's words it is
    number: int
    #: whether it is a numeral
    numeral: bool = False


def changes(one: Comparable, other: Comparable) -> tuple[list[Span], list[Span]]:
    """The spans of both folded texts between which they are alike, in their order."""
    here, there = [], []
    start = begin = 0
    for end, stop, size in Levenshtein.editops(one.folded, other.folded).as_matching_blocks():
        if end > start or stop > begin:
            here.append((start, end))
            there.append((begin, stop))
        start, begin = end + size, stop + size
    return here, there


def surroundings(text: Comparable, spans: Sequence[Span]) -> str:
    """What changed, and the syllables about it: elsewhere both texts are alike."""
    parts: list[str] = []
    begin, last = 0, -1
    for start, end in (*spans, (len(text.folded) + 2 * _ABOUT + 1,) * 2):
        # Both texts have as much between two changes, so the parts of both are cut alike.
        if last >= 0 and start - last > 2 * _ABOUT:
            parts.append(text.folded[max(0, begin - _ABOUT) : last + _ABOUT])
            last = -1
        begin = start if last < 0 else begin
        last = end
    return " ".join(parts)


def changed_words(text: Comparable, spans: Sequence[Span]) -> list[Changed]:
    """The words of content that changed in the spans, and what numbers count there."""
    changed: list[Changed] = []
    for number, (word, root, letters) in _touched(text, spans).items():
        counts = _counted_by(text, number, word)
        if is_numeral(word, text.word(number + 1)):
            changed.append(Changed(word, word, "", number, numeral=True))
        elif counts or (_LETTERS_A_CHANGE * letters >= len(root) and not is_grammar(root)):
            changed.append(Changed(word, root, counts, number))
    return changed


def _counted_by(text: Comparable, number: int, word: str) -> str:
    """What a number counts in one of the words."""
    before = text.word(number - 1)
    # Neither is a number most often.
    return _counted_in(word, before) if word[0].isdecimal() or may_be_number(before) else ""


def _touched(text: Comparable, spans: Sequence[Span]) -> dict[int, tuple[str, str, int]]:
    """Of the words that reach into the spans: number → word, its stem, and how much of that does."""
    folded, ends = text.folded, text.ends
    touched: dict[int, tuple[str, str, int]] = {}
    for start, end in spans:
        number = bisect_right(ends, start)
        while start < end:
            begin, stop = ends[number - 1] if number else 0, ends[number]
            known = touched.get(number)
            if known is None:
                word = folded[begin:stop]
                known = word, stem(word), 0
            word, root, letters = known
            within = min(begin + len(root), end) - start
            touched[number] = word, root, letters + within if within > 0 else letters
            start = stop
            number += 1
    return touched


@lru_cache(1 << 14)
def _counted_in(word: str, before: str) -> str:
    """What a number counts in a word: its letters behind digits, or all of it behind a number."""
    apart = not word[0].isdecimal()
    letters = word if apart else word.lstrip(digits)
    if not letters or (apart and not (is_numeral(before, letters) or is_amount(before, letters))):
        return ""
    if unit := unit_of(letters, apart=apart):
        return unit
    root = stem(letters)
    return "" if is_suffix(letters) or is_grammar(root) else root
