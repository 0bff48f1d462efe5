"""What numbers count or measure: "10만 원" is another amount than "10원", and "3시간" another than "3시"."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from string import digits

from gukbap.stages.dedup.words import is_particle, word_set

# Forms of one unit, the first of which stands for all.
_SAME_UNITS = (
    "명 사람", "% 퍼센트 프로", "%p 퍼센트포인트", "km 킬로미터", "m 미터", "cm 센티미터 센티",
    "mm 밀리미터", "kg 킬로그램", "g 그램", "mg 밀리그램", "t 톤", "l 리터", "ml 밀리리터", "개월 달",
    "주 주일 주간", "살 세", "번 회", "등 위", "쪽 페이지", "kcal 킬로칼로리",
)  # fmt: skip
_OTHER_UNITS = (
    "개 번째 가지 권 마리 시 시간 분 초 잔 병 장 대 줄 문장 문단 단락 편 곳 월 일 주년 년 년대 학년 "
    "학기 반 시반 시간반 인분 배 차례 차 차선 단계 조각 그릇 송이 벌 켤레 자루 판 척 채 원 달러 유로 엔 "
    "위안 점 점대 호 호선 층 평 곡 통 봉지 숟가락 큰술 작은술 컵 그루 다발 묶음 상자 세트 팀 강 자 글자 "
    "단어 낱말 항목 방울 모금 쌍 놈 분기 세기 박 끼 제곱미터 kw kwh w v hz mhz ghz kb mb gb tb px s ms "
    "h min cal dl"
)
_UNITS = {form: group.split()[0] for group in _SAME_UNITS for form in group.split()} | {
    unit: unit for unit in _OTHER_UNITS.split()
}
_LONGEST = max(map(len, _UNITS))
# What may hang on a unit and is no particle.
_TAILS = word_set(
    "씩 간 째 쯤 짜리 정도 이상 이하 미만 초과 이내 입니다 이다 인 인가요 이에요 예요 인데 이고 이며"
)
# Begin what hangs on a number and counts nothing.
_NO_UNIT = "이입인은는을를의에과와로도만가랑"
_MAGNITUDE = re.compile("[십백천만억조]+")
# A number, and what stands behind it with and without a space; then the next word, which is only looked at.
_AMOUNT = re.compile(r"(\d\d*(?:,\d{3})*(?:\.\d+)*)(\s*)(%p?|[^\W\d_]*)(?=\s*([^\W\d_]*))")


def amounts(text: str) -> tuple[tuple[str, str], ...]:
    """The numbers of a compatible text in their order, each with its unit, "" where it has none.

    Numbers are without the comma of thousands; a unit begins with its magnitude (만원), and 3시 반 has a
    unit of its own.
    """
    return tuple((number, unit) for number, unit, _ in _amounts(text))


def counted(text: str) -> tuple[tuple[str, str], ...]:
    """The same, sorted, where what is no known unit, nor a particle, is told apart by its first letter."""
    return tuple(sorted((number, unit or _first_letter(word)) for number, unit, word in _amounts(text)))


def _amounts(text: str) -> Iterator[tuple[str, str, str]]:
    """Each number, its unit, and the word in which that stands."""
    for number, space, word, following in _AMOUNT.findall(text):
        yield number.replace(",", ""), _unit(word, following, bool(space)), word


def is_amount(word: str, following: str) -> bool:
    """Whether a word is a number whose unit, or the rest of it, is the word that follows."""
    letters = word.lstrip(digits)
    if not word[:1].isdecimal():
        return False
    return not letters or bool(_MAGNITUDE.fullmatch(letters)) or _is_half(following)


@lru_cache(1 << 14)
def _unit(word: str, following: str, apart: bool) -> str:
    unit = unit_of(word, apart=apart)
    if _MAGNITUDE.fullmatch(unit):
        return unit + unit_of(following, apart=True)
    return f"{unit}반" if unit and _is_half(following) else unit


def _is_half(word: str) -> bool:
    return word[:1] == "반" and _hangs_on(word[1:])


def _first_letter(word: str) -> str:
    return "" if is_particle(word) or word[:1] in _NO_UNIT else word[:1]


@lru_cache(1 << 14)
def unit_of(word: str, *, apart: bool) -> str:
    """The unit with which the word behind a number begins, in the form that stands for all; "" if none.

    Args:
        word: a folded word, or what is left of one behind its digits.
        apart: whether a space stands before it: then it is a unit but for a particle.
    """
    if word in ("%", "%p"):
        return word
    magnitude = _MAGNITUDE.match(word)
    for start in (0, magnitude.end()) if magnitude else (0,):
        if unit := _known(word[start:], apart):
            return word[:start] + unit
    if magnitude and _hangs_on(word[magnitude.end() :]):
        return magnitude[0]
    return ""


def _known(word: str, apart: bool) -> str:
    for length in range(min(_LONGEST, len(word)), 0, -1):
        rest = word[length:]
        unit = _UNITS.get(word[:length])
        # "m" is no unit in "mp", and neither is "개" in "개미" where a space stands before it.
        if unit and (_hangs_on(rest) or not (apart or rest[0].isascii())):
            return unit
    return ""


def _hangs_on(rest: str) -> bool:
    return not rest or rest in _TAILS or is_particle(rest)
