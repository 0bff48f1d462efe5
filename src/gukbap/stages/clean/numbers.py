"""Numbers in Korean text, however they are written, as single characters.

"3명", "３명", "세 명", "삼 명" and "three" hold the same number; "1,000원", "₩1,000", "천 원" and "1천 원" do
as well. Every number becomes one private-use character, so that a number weighs as much as a letter
where texts are compared by letters.

Which syllables are meant as a number is not asked: 이 ("this") becomes 2 wherever it stands. Both of two
compared texts are treated alike, so nothing is lost by it but the difference between 이, 두 and 2.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from decimal import Decimal
from typing import Final

from gukbap.numerals import DIGITS, LARGE_UNITS, SMALL_UNITS
from gukbap.numerals import value as value_of

_NATIVE_ONES: Final = {
    "하나": 1, "한": 1, "둘": 2, "두": 2, "셋": 3, "세": 3, "넷": 4, "네": 4, "다섯": 5, "여섯": 6,
    "일곱": 7, "여덟": 8, "아홉": 9,
}  # fmt: skip
_NATIVE_TENS: Final = {
    "열": 10, "스물": 20, "스무": 20, "서른": 30, "마흔": 40, "쉰": 50, "예순": 60, "일흔": 70, "여든": 80,
    "아흔": 90,
}  # fmt: skip
_ENGLISH: Final = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
    "seventeen": 17, "eighteen": 18, "nineteen": 19, "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50,
    "hundred": 100, "thousand": 1000, "million": 10**6,
}  # fmt: skip

_FIRST: Final = 0xF0000
_DIRECT: Final = 0xFFF0
_HASHED: Final = 0x100000
#: Inside of a character class: the characters that stand for numbers.
NUMBER_RANGE: Final = "\U000f0000-\U0010ffff"
_PRIVATE = re.compile(f"[{NUMBER_RANGE}]+")

_UNITS = "".join((*SMALL_UNITS, *LARGE_UNITS))
# Every pattern begins with a set of characters, by which the engine skips all other text.
_WRITTEN = re.compile(
    r"([0-9][0-9,]{0,23})(\.[0-9]{1,18})?"
    rf"((?:\s?[{_UNITS}]{{1,3}}(?:\s?[0-9]{{1,4}}(?=\s?[{_UNITS}])|[0-9]{{1,4}})?){{0,4}})"
)
_GROUPED = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+,?")
_MONEY = re.compile(r"([₩$€])\s?(?=[0-9])([0-9,.]{0,24}[0-9])")
_CURRENCIES = {"₩": "원", "$": "달러", "€": "유로"}
_LATIN_WORD = re.compile(r"[a-z]+")
_SINO = "".join(DIGITS) + _UNITS
_SINO_RUN = re.compile(rf"[{_SINO}][{_SINO}]{{1,15}}")
_ONES = "|".join(_NATIVE_ONES)
_NATIVE_RUN = re.compile(
    "|".join(f"{tens}(?:{_ONES}){'?' if len(tens) > 1 else ''}" for tens in _NATIVE_TENS)
    + "|"
    + "|".join(word for word in _NATIVE_ONES if len(word) > 1)
)


def token(value: Decimal | int) -> str:
    """The character that stands for a number; large and broken numbers share characters by their hash."""
    if value == int(value) and 0 <= value < _DIRECT:
        return chr(_FIRST + int(value))
    return chr(_HASHED + zlib.crc32(f"{Decimal(value).normalize():f}".encode()) % _DIRECT)


#: what stands for a number by itself
_SINGLE: Final = [
    (word, token(value))
    for word, value in (DIGITS | SMALL_UNITS | LARGE_UNITS | _NATIVE_ONES | _NATIVE_TENS).items()
    if len(word) == 1
]


def mark_digits(text: str) -> str:
    """Numbers in digits, with Korean units behind them, and English number words as their characters.

    Args:
        text: NFKC, case folded. Private-use characters of its own are taken out.
    """
    text = _MONEY.sub(lambda found: found[2] + _CURRENCIES[found[1]], _PRIVATE.sub("", text))
    return _LATIN_WORD.sub(_english, _WRITTEN.sub(_written, text))


def mark_words(letters: str) -> str:
    """Korean number words as their characters; `letters` has no spaces, which make no difference to them."""
    letters = _NATIVE_RUN.sub(_native, _SINO_RUN.sub(_sino, letters))
    for word, character in _SINGLE:  # a tenth of the time that str.translate takes
        letters = letters.replace(word, character)
    return letters


def _english(found: re.Match[str]) -> str:
    value = _ENGLISH.get(found[0])
    return found[0] if value is None else token(value)


def _written(found: re.Match[str]) -> str:
    whole, units = found[1], found[3]
    if "," in whole and not _GROUPED.fullmatch(whole):
        # A list of numbers: "3,6,11".
        *listed, whole = whole.rstrip(",").split(",")
        return "".join(token(Decimal(one)) for one in listed if one) + _value(whole, found[2], units)
    return _value(whole.replace(",", ""), found[2], units)


def _value(whole: str, broken: str | None, units: str) -> str:
    if not units:
        return token(Decimal(whole + (broken or "")))
    return token(value_of([Decimal(whole + (broken or "")), *re.findall(rf"[0-9]+|[{_UNITS}]", units)]))


def _sino(found: re.Match[str]) -> str:
    if not any(unit in found[0] for unit in _UNITS):
        return found[0]
    return token(value_of(found[0]))


def _native(found: re.Match[str]) -> str:
    word = found[0]
    for tens, value in _NATIVE_TENS.items():
        if word.startswith(tens):
            return token(value + _NATIVE_ONES.get(word[len(tens) :], 0))
    return token(_NATIVE_ONES[word])


def numbers_in_digits(text: str) -> frozenset[str]:
    """The numbers that a text writes in digits, as their characters."""
    compatible = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(character for character in mark_digits(compatible) if character >= chr(_FIRST))
