"""Texts in the forms in which near-dedup compares them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from gukbap.korean import windows
from gukbap.stages.dedup.gist import MOST_WORDS, gist
from gukbap.stages.dedup.numerals import any_of, in_digits
from gukbap.stages.dedup.units import amounts, counted
from gukbap.stages.dedup.words import Traits, common_form, is_asking, is_grammar, stem, traits, word_set

# Patterns begin with one character of a class (\d\d*, not \d+), so that all before it is passed over quickly.
_REST = r"\d*(?:(?:,\d{3})+(?!\d))?(?:\.\d+)*"
_NUMBER = re.compile(rf"\d{_REST}")
# A number with its sign, which stands behind no operand; then the operator between it and the next one.
_SIGNED = re.compile(rf"([-+−±\d](?:(?<=\d)|(?<![\w)].)\d){_REST})(?:\s*([-+−*/⁄×÷^=<>])\s*(?=\d))?")
_LANGUAGE_MARK = re.compile(r"#(?<=[a-z]#)|\+\+(?<=[a-z]\+\+)")
_HAS_SIGN = re.compile(r"[-+−±*/⁄×÷^=<>#]")
#: A compatible text without any of these and without digits has no fixed parts.
PART_SIGNS = "#-+−*/⁄×÷^=<>"
# An operator beside a letter that stands for a number: "x + 3", "a < b". A hyphen or slash without spaces is
# none: "A/S", "F-16".
_OPERATOR = r"\s*([+−*×÷^=<>]=?|(?<=\s)[-/](?=\s))\s*"
_LETTER = "[a-z](?![a-z])"
_OPERAND = rf"(?:[(\d]|{_LETTER})"
_ALGEBRA = re.compile(
    rf"[a-z\d](?:(?<=[a-z])(?<![a-z][a-z]){_OPERATOR}(?={_OPERAND})|(?<=\d){_OPERATOR}(?=[(]|{_LETTER}))"
)
# Found faster, and in every text that has one: behind the operator may also be two spaces.
_MAYBE_ALGEBRA = re.compile(
    rf"[-+−*/×÷^=<>](?:(?<![-/])(?==?\s*{_OPERAND})|(?<=\s.)(?=\s\s*{_OPERAND}))"
    r"(?:(?<=[a-z\d].)|(?<=[a-z\d]\s.)|(?<=\s\s.))"
)
# What the same sentence may say of either of two: swapped, it is another task.
_OPPOSITE_WORDS = word_set(
    "월요일 화요일 수요일 목요일 금요일 토요일 일요일 객관 주관 오전 오후 아침 저녁 장점 단점 강점 약점 오른 "
    "왼 찬성 반대 증가 감소 긍정 부정 최대 최소 최고 최저 과거 미래 입구 출구 빠르 빨리 느리 천천 "
    "틀린 틀렸 늘리 늘어 줄이 줄어 높은 높이 낮은 낮추 쉬운 쉽게 어려운 어렵게 넓은 좁은 밝은 어두운 "
    "남았 떨어졌 이전 이후 성공 실패 상승 하락 동쪽 서쪽 남쪽 북쪽 짧은 짧게 길게 작은 작게 나중 존댓말 반말 "
    "거꾸로 싸게 비싸게 이상 이하 미만 초과 초등학 고등학 삼각 사각"
)
# Branches that begin with plain letters: the search passes over every other letter at once. "알맞은" is
# no opposite of "틀린".
_OPPOSITES = re.compile(rf"{any_of(_OPPOSITE_WORDS)}|맞(?<!알맞)[는은]")
_NEGATION = re.compile(r"않|못[하해했한할합]|없|지마|지말")
# Of category Cf: soft hyphens, zero-width spaces and joiners, marks of direction.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_FIRST_CONSONANT = re.compile("[\u1100-\u1112]")
_LOOSE_FINAL = re.compile("[가-힣][\u1100-\u1112]")
# First consonants in the order in which the same ones end a syllable; "\0" where two end one.
_FINALS = (
    "\u1100\u1101\0\u1102\0\0\u1103\u1105\0\0\0\0\0\0\0"
    "\u1106\u1107\0\u1109\u110a\u110b\u110c\u110e\u110f\u1110\u1111\u1112"
)
_HANGUL = re.compile("[가-힣]+")
_SIGNS = re.compile(r"[\W_]+")
# Shorter are the openings of requests: what one has, and why one asks.
_MATERIAL_WORDS = 20
# Words, and what ends a sentence.
_IN_SENTENCES = re.compile(r"[^\W_]+|[.?!]\s|\n")


def compatible(text: str) -> str:
    """A text in the form that is kept for comparison: NFKC, case folded, words still apart.

    Invisible characters go, and syllables that are written out in single letters are put together.
    """
    # Case folding can leave composable characters behind, hence the second pass.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if not folded.isprintable():
        folded = _INVISIBLE.sub("", folded)
    # NFKC takes every loose consonant for a first one, and joins it to a vowel behind it.
    return _LOOSE_FINAL.sub(_with_final, folded) if _FIRST_CONSONANT.search(folded) else folded


def _with_final(found: re.Match[str]) -> str:
    syllable, consonant = found[0][0], found[0][1]
    open_one = (ord(syllable) - ord("가")) % 28 == 0
    final = _FINALS.find(consonant) + 1
    return chr(ord(syllable) + final) if open_one and final else found[0]


def fixed_parts(text: str) -> tuple[str, ...]:
    """What no change of spelling alters in a compatible text.

    These are its numbers in their order (1,000 is 1000) with their signs, the operators between them and
    beside letters that stand for numbers, and the marks that tell C++ from C#. Letters and digits alone
    would lose all of it.
    """
    return fixed_parts_within(text, 0, len(text))


def fixed_parts_within(text: str, start: int, end: int) -> tuple[str, ...]:
    """The fixed parts of a compatible text in which all digits and PART_SIGNS stand between two places."""
    signed = _HAS_SIGN.search(text, start, end)
    parts = _with_signs(text, start, end) if signed else _NUMBER.findall(text, start, end)
    if "," in text:
        parts = [part.replace(",", "") for part in parts]
    return tuple(parts)


def _with_signs(text: str, start: int, end: int) -> list[str]:
    parts: list[str] = []
    for number, operator in _SIGNED.findall(text, start, end):
        parts += (number,) if number[0].isdecimal() else (number[0], number[1:])
        if operator:
            parts.append(operator)
    if "#" in text or "++" in text:
        parts += _LANGUAGE_MARK.findall(text)
    if _MAYBE_ALGEBRA.search(text, start):  # what follows the operator is no part
        parts += [found[1] or found[2] for found in _ALGEBRA.finditer(text)]
    return parts


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
    def asking(self) -> list[bool]:
        """For each of its words whether it stands in a request or a question."""
        asking: list[bool] = []
        last, words = "", 0
        # The text's end ends its last sentence.
        for found in _IN_SENTENCES.findall(f"{self.text.rstrip()}\n"):
            if found[-1].isalnum():
                last = found
                words += 1
            elif words:
                asking += [found[0] == "?" or is_asking(last)] * words
                words = 0
        return asking or [False] * len(self.words)

    @cached_property
    def has_material(self) -> bool:
        """Whether so much stands beside its requests that they are about that."""
        return len(self.ends) >= _MATERIAL_WORDS <= self.asking.count(False)

    @cached_property
    def asked(self) -> frozenset[str]:
        """The stems of content in its requests, in the forms that stand for all."""
        words = zip(self.traits, self.asking, strict=True)
        return frozenset(common_form(one.stem) for one, asking in words if asking and not one.grammar)

    @cached_property
    def sorted_words(self) -> list[str]:
        """Its words in the order of the alphabet."""
        return sorted(self.words)

    @cached_property
    def folded(self) -> str:
        """Its words without spaces."""
        return "".join(self.words)

    @cached_property
    def ends(self) -> Sequence[int]:
        """Where in `folded` each of its words ends."""
        return list(accumulate(map(len, self.words)))

    def word(self, number: int) -> str:
        """One of its words; empty where there is none of that number."""
        ends = self.ends
        return (
            self.folded[ends[number - 1] if number else 0 : ends[number]] if 0 <= number < len(ends) else ""
        )

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Its numbers and operators in their order."""
        return fixed_parts(self.text)

    @cached_property
    def counted(self) -> tuple[tuple[str, str], ...]:
        """Its numbers with their units, sorted: equal for clauses in another order."""
        return counted(self._in_digits) if self._has_amounts else ()

    @cached_property
    def amounts(self) -> tuple[tuple[str, str], ...]:
        """Its numbers with their units, in their order; those in words are among them."""
        return amounts(self._in_digits) if self._has_amounts else ()

    @property
    def _has_amounts(self) -> bool:
        return bool(self.parts) or self._in_digits != self.text

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Its fixed parts, with numbers in words among them."""
        return self.parts if self._in_digits == self.text else fixed_parts(self._in_digits)

    @cached_property
    def _in_digits(self) -> str:
        return in_digits(self.text)

    @cached_property
    def gist(self) -> str:
        """What a short text is about (gist.py), with its numbers and denials; empty if that is not known."""
        if len(self.ends) > MOST_WORDS or 2 * len(_HANGUL.sub("", self.folded)) > len(self.folded):
            return ""
        digits = self._in_digits
        about = gist(self.words if digits == self.text else Comparable(digits).words)
        return f"{about}\0{self.amounts}\0{self.numbers}\0{self.turns}" if about else ""

    @cached_property
    def traits(self) -> tuple[Traits, ...]:
        """What each of its words is like."""
        return tuple(map(traits, self.words))

    @cached_property
    def stems(self) -> tuple[str, ...]:
        """The stems of its words of content; of all words where there are none."""
        return tuple([one.stem for one in self.traits if not one.grammar]) or tuple(
            [one.stem for one in self.traits]
        )

    @cached_property
    def first_stem(self) -> str | None:
        """The stem of its first word of content."""
        roots = (stem(self.word(number)) for number in range(len(self.ends)))
        return next((root for root in roots if not is_grammar(root)), None)

    @cached_property
    def turns(self) -> tuple[int, list[str]]:
        """What `turns` says of it."""
        return turns(self.folded)

    @cached_property
    def roles(self) -> dict[Traits, int]:
        """How often it has words of each stem and particle."""
        return dict(Counter(self.traits))

    @cached_property
    def sorted_stems(self) -> str:
        """Its stems in the order of the alphabet, with spaces between."""
        return " ".join(sorted(self.stems))

    def shingles(self, length: int) -> frozenset[str]:
        """The distinct runs of `length` characters of `folded`; one shorter than that is its own."""
        return frozenset(windows(self.folded, length)) or frozenset((self.folded,))


class CutText(Comparable):
    """A compatible text of which it is known where its words end and its fixed parts stand."""

    _span: tuple[int, int]

    def __init__(self, text: str, folded: str, ends: Sequence[int], span: tuple[int, int]) -> None:
        # As cached properties do, past the frozen fields.
        self.__dict__.update(text=text, folded=folded, ends=ends, _span=span)

    @cached_property
    def words(self) -> tuple[str, ...]:
        folded, ends = self.folded, self.ends
        return tuple([folded[start:end] for start, end in zip((0, *ends), ends, strict=False)])

    @cached_property
    def parts(self) -> tuple[str, ...]:
        start, end = self._span
        return fixed_parts_within(self.text, start, end) if end else ()


def turns(folded: str) -> tuple[int, list[str]]:
    """How often folded text denies or forbids, and its words that have an opposite, sorted."""
    return len(_NEGATION.findall(folded)), sorted(_OPPOSITES.findall(folded))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over size of the union, 0–1; not both may be empty."""
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared)
