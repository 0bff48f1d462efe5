"""Texts in the forms in which near-dedup compares them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate

from gukbap.stages.dedup.words import is_grammar, stem, word_set

# Each begins with a digit, so that a text without one is passed over quickly.
_NUMBER = re.compile(r"\d+(?:(?:,\d{3})+(?!\d))?(?:\.\d+)*")
_LANGUAGE_MARK = re.compile(r"(?<=[a-z])(?:\+\+|#)")
_SIGN_CHARACTERS, _OPERATORS = "-+−±", "-+−*/⁄×÷^=<>"
_HAS_SIGN = re.compile(r"[-+−±*/⁄×÷^=<>#]")
#: A compatible text without any of these has no fixed parts.
PART_SIGNS = "#+"
# A number with what it counts, which tells "3명이 4개" from "4명이 3개" in whatever order they stand; a
# particle behind the number counts nothing.
_COUNTED = re.compile(r"(\d+(?:,\d{3})*(?:\.\d+)*)\s*([^\W\d_이입인은는을를의에과와로도만가랑]?)")
# Native numerals count only before a counter: "두 명" is a number, "두부" is not.
_NUMERALS = word_set(
    "한 두 세 석 서 네 넉 너 다섯 여섯 일곱 여덟 아홉 열 열한 열두 스무 서른 마흔 쉰 첫 둘 셋 넷"
)
_COUNTERS = word_set(
    "개 명 번 가지 권 마리 살 시 잔 병 장 대 줄 문장 문단 단락 편 곳 분 사람 달 배 쪽 차례 단계 째 조각 "
    "그릇 송이 벌 켤레 자루 판 척 채"
)


def _any_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=lambda word: (-len(word), word)))


# The look ahead lets the search skip whatever cannot begin a numeral.
_NUMERAL = re.compile(
    rf"(?=[{''.join(sorted({numeral[0] for numeral in _NUMERALS}))}])"
    rf"(?<![가-힣])({_any_of(_NUMERALS)})\s?({_any_of(_COUNTERS)})"
)
_NEGATION = re.compile(r"않|못[하해했한할합]|없|지\s*(?:마|말)|(?<![가-힣])[안못](?=\s)")
#: A text in which none of these changes still denies as often, and counts as far.
TELLING = frozenset("".join(_NUMERALS) + "않못없마말안")
#: so many slices are kept ready
_COMMON_RUNS = 1024
_SIGNS = re.compile(r"[\W_]+")


def compatible(text: str) -> str:
    """A text in the form that is kept for comparison: NFKC, case folded, words still apart."""
    # Case folding can leave composable characters behind, hence the second pass.
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def fixed_parts(text: str) -> tuple[str, ...]:
    """What no change of spelling alters in a compatible text.

    These are its numbers in their order (1,000 is 1000) with their signs, the operators between them,
    and the marks that tell C++ from C#. Letters and digits alone would lose all of it.
    """
    numbers = _with_signs(text) if _HAS_SIGN.search(text) else _NUMBER.findall(text)
    if "," in text:
        numbers = [number.replace(",", "") for number in numbers]
    return tuple(numbers)


def _with_signs(text: str) -> list[str]:
    parts: list[str] = []
    end = -1
    for number in _NUMBER.finditer(text):
        start = number.start()
        between = text[end:start].strip() if end >= 0 else ""
        if len(between) == 1 and between in _OPERATORS:
            parts.append(between)
        elif start and text[start - 1] in _SIGN_CHARACTERS and not _is_operand(text[start - 2 : start - 1]):
            parts.append(text[start - 1])
        parts.append(number[0])
        end = number.end()
    return parts + _LANGUAGE_MARK.findall(text)


def _is_operand(sign: str) -> bool:
    return sign.isalnum() or sign in ("_", ")")


@dataclass(frozen=True)
class Comparable:
    """A compatible text with what is compared of it; each part is made when it is first asked for."""

    text: str

    @classmethod
    def of(cls, text: str) -> Comparable:
        """Prepare any text."""
        return cls(compatible(text))

    @cached_property
    def words(self) -> tuple[str, ...]:
        """Its words: runs of letters and digits; of a text without any, whatever spaces part."""
        return tuple(filter(None, _SIGNS.split(self.text))) or tuple(self.text.split())

    @cached_property
    def folded(self) -> str:
        """Its words without spaces."""
        return "".join(self.words)

    @cached_property
    def ends(self) -> tuple[int, ...]:
        """Where in `folded` each of its words ends."""
        return tuple(accumulate(map(len, self.words)))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Its numbers and operators in their order."""
        return fixed_parts(self.text)

    @cached_property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """Its numbers with what they count, sorted: equal for clauses in another order."""
        return tuple(sorted((number.replace(",", ""), unit) for number, unit in _COUNTED.findall(self.text)))

    @cached_property
    def numerals(self) -> tuple[tuple[str, str], ...]:
        """Its numbers in words with what they count, sorted."""
        return tuple(sorted(_NUMERAL.findall(self.text)))

    @cached_property
    def negations(self) -> int:
        """How often it denies or forbids."""
        return len(_NEGATION.findall(self.text))

    @cached_property
    def sorted_stems(self) -> str:
        """The stems of its words of content in the order of the alphabet, with spaces between."""
        stems = sorted(map(stem, self.words))
        return " ".join(one for one in stems if not is_grammar(one)) or " ".join(stems)

    def shingles(self, length: int) -> frozenset[str]:
        """The distinct runs of `length` characters of `folded`; one shorter than that is its own."""
        count = max(1, len(self.folded) - length + 1)
        # All in C: this runs for every pair that is alike.
        return frozenset(map(self.folded.__getitem__, _runs(length, count)))


def _runs(length: int, count: int) -> Iterable[slice]:
    if count <= _COMMON_RUNS:
        return _common_runs(length)[:count]
    return map(slice, range(count), range(length, length + count))


@cache
def _common_runs(length: int) -> list[slice]:
    return [slice(start, start + length) for start in range(_COMMON_RUNS)]


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over size of the union, 0–1; not both may be empty."""
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)
