"""Numbers in words: "두 개" is "2개", and "오십만 원" is "50만 원"."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from gukbap.numerals import DIGITS, LARGE_UNITS, SMALL_UNITS, value
from gukbap.stages.dedup.units import unit_of
from gukbap.stages.dedup.words import NATIVE_NUMERALS, word_set

_COUNTERS = word_set(
    "개 명 번 가지 권 마리 살 시 시간 잔 병 장 대 줄 문장 문단 단락 편 곳 분 사람 달 배 쪽 차례 단계 조각 "
    "그릇 송이 벌 켤레 자루 판 척 채"
)


def any_of(words: Iterable[str]) -> str:
    """A pattern of some words, the longest first."""
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


# A numeral is a word of its own before another, or joined to a counter: "두부" and "한국" are none, and
# neither is the unit of "20세". The look ahead lets the search skip whatever cannot begin one.
_NATIVE = re.compile(
    rf"(?=[{''.join(sorted({numeral[0] for numeral in NATIVE_NUMERALS}))}])(?<![가-힣\d])"
    rf"({any_of(NATIVE_NUMERALS)})(\s+(?=[가-힣])|(?=(?:{any_of(_COUNTERS)})(?![가-힣]{{3}})))"
)
_NATIVE_BEGINNINGS = tuple(NATIVE_NUMERALS)
_SMALL, _LARGE = "".join(SMALL_UNITS), "".join(LARGE_UNITS)
_ONES = "".join(digit for digit, one in DIGITS.items() if one)
_SYLLABLES = _ONES + _SMALL + _LARGE
_BEGINNINGS = frozenset(_SYLLABLES)
# Other digits by themselves are other words too often: "이 층" is also "this floor", and 일 is "work".
_ALONE = "삼오육칠팔구"
# What a single 백, 천, or 만 may be joined to: "천장" is a ceiling, "만점" a full mark.
_JOINED = "원명년개번배권"
_RUN = rf"(?:(?<=[{_SMALL}{_LARGE}])|[{_ONES}]*[{_SMALL}{_LARGE}])[{_SYLLABLES}]*"
# A numeral, and the letters behind it, with which a unit must begin. "오십 만 원" is written, too, and so is
# "삼만 오천 원".
_SINO = re.compile(
    rf"([{_SYLLABLES}](?<![가-힣\d].)(?:{_RUN}(?:\s[{_LARGE}](?![가-힣])|(?<=[{_LARGE}])\s[{_SYLLABLES}]{_RUN})*"
    rf"|(?<=[{_ALONE}])(?=\s)))(?=(\s?)(%p?|[가-힣a-z]*))"
)
_CURRENCIES = ("원", "달러", "유로", "엔", "위안")
# "구천구백구십구조 구천구백구십구억 구천구백구십구만 구천구백구십구": no number of any use is longer.
_LONGEST = 34
_SECTION = re.compile(rf"([^{_LARGE}]*)([{_LARGE}]?)")


def in_digits(text: str) -> str:
    """A compatible text whose numerals before units are digits; 만, 억 and 조 stay, as in "50만 원"."""
    text = _NATIVE.sub(lambda found: NATIVE_NUMERALS[found[1]] + found[2], text)
    return _SINO.sub(_sino, text)


def _sino(found: re.Match[str]) -> str:
    numeral, space, word = found.groups()
    if _before_unit(numeral, space, word):
        return _digits(numeral)
    # The last syllable may be the unit: "이십일 동안" is "20일 동안".
    if numeral[-1] == "일" and _before_unit(numeral[:-1], "", "일" if space else f"일{word}"):
        return f"{_digits(numeral[:-1])}일"
    return numeral


@lru_cache(1 << 12)
def _before_unit(numeral: str, space: str, word: str) -> bool:
    """Whether a unit is the first of the letters behind a numeral."""
    unit = unit_of(word, apart=True) if 0 < len(numeral) <= _LONGEST else ""
    # 등 is more often "and so on"; 만일 ("if"), 조사, 구조 and 조명 are common words.
    if not unit or word[0] == "등" or numeral == "만일" or ("조" in numeral and unit not in _CURRENCIES):
        return False
    return len(numeral) > 1 or bool(space) or word[0] in _JOINED


@lru_cache(1 << 12)
def _digits(numeral: str) -> str:
    sections = (found for found in _SECTION.findall(re.sub(r"\s", "", numeral)) if any(found))
    return "".join(f"{value(ones) if ones else 1}{large}" for ones, large in sections)


@lru_cache(1 << 14)
def may_be_numeral(word: str) -> bool:
    """Whether a folded word begins like a numeral."""
    return word.startswith(_NATIVE_BEGINNINGS) or bool(_SINO.match(f"{word} "))


def may_be_number(word: str) -> bool:
    """Whether a folded word begins with a digit, or may be a numeral."""
    return word[:1].isdecimal() or word[:1] in _BEGINNINGS or word in NATIVE_NUMERALS


def is_numeral(word: str, following: str) -> bool:
    """Whether a folded word is a numeral: a Sino-Korean one where a unit follows."""
    return word in NATIVE_NUMERALS or (word[:1] in _BEGINNINGS and _is_sino(word, following))


@lru_cache(1 << 14)
def _is_sino(word: str, following: str) -> bool:
    found = _SINO.match(f"{word} {following}")
    return bool(found and found[1] == word and _before_unit(*found.groups()))
