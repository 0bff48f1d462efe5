"""Rows for benchmarks and tests: Korean instructions from templates, with planted near-duplicates."""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.korean_pairs.particles import attached
from gukbap.schemas import Message, Row
from tests.lineages import lineage

_NOUNS = (
    "전통 시장", "도서관", "강아지 산책", "태양광 발전", "김치찌개", "과학 수업", "제주도 여행", "층간 소음",
    "온라인 회의", "자전거", "맞춤법", "가계부", "동네 빵집", "기후 변화", "주말 농장", "면접", "옛날 동화",
    "지하철", "고등어구이", "달력", "우체국", "바둑", "소방 훈련", "벼농사", "사투리", "뜨개질", "정수기",
)  # fmt: skip
_READERS = (
    "초등학생",
    "신입 사원",
    "어르신",
    "외국인 친구",
    "동아리 회원",
    "학부모",
    "동네 주민",
    "취업 준비생",
)
_SYLLABLES = (
    "가나다라마바사아자차카타파하거너더러머버서어저처고노도로모보소오조초구누두루무부수우주추기니디리미비시"
)
# {a} and {b} are nouns, {x} and {y} invented names, {r} a reader.
_FRAMES = (
    "{r}에게 {a:를} 소개하는 짧은 글을 써 주세요. {x} 마을의 예를 하나 넣고, {b:와} 비교해 주세요.",
    "{x} 씨는 {a:를} 좋아하지만 {b:는} 싫어합니다. 그 까닭을 {r}의 눈으로 상상해서 편지로 써 주세요.",
    "다음 두 가지, {a:와} {b:를} 표로 정리해 줘. {x} 협회 기준과 {y} 협회 기준을 모두 따라 줘.",
    "회사 '{x}{y}'에서 {a} 관련 행사를 엽니다. {r} 대상 안내 방송 원고를 작성하고 {b:도} 언급하세요.",
    "{a:를} 둘러싼 오해가 많습니다. {x} 교수의 주장에 {b:를} 근거로 들어 조목조목 반박해 보세요.",
    "제가 쓴 소설의 주인공 {x:는} {a} 때문에 {y:와} 다툽니다. {b:가} 실마리가 되는 결말을 지어 주세요.",
    "파이썬으로 {a} 목록을 읽어 {x} 순서대로 정렬하는 함수를 만들고, {b} 항목은 빼 주세요.",
    "{r} 모임에서 {x:와} {y} 가운데 하나를 골라야 해요. {a:와} {b:를} 함께 생각할 때 무엇이 나을까요?",
    "'{x} {a}'라는 말의 뜻을 짐작해서 풀이하고, {b:가} 들어가는 예문 세 개를 들어 주세요.",
    "어제 {x} 역에서 {a:를} 보았습니다. 이 경험을 {b:에} 빗댄 시를 {r:도} 알아듣게 써 주세요.",
)


class _Noun(str):
    """A Korean noun whose format specification is a particle, given in its form after a vowel."""

    __slots__ = ()

    def __format__(self, particle: str) -> str:
        return attached(str(self), particle)


def instruction(draw: random.Random) -> str:
    """A Korean instruction in one of ten frames."""
    first, second = draw.sample(_NOUNS, 2)
    return draw.choice(_FRAMES).format(
        a=_Noun(first),
        b=_Noun(second),
        x=_Noun("".join(draw.choices(_SYLLABLES, k=5))),
        y=_Noun("".join(draw.choices(_SYLLABLES, k=4))),
        r=_Noun(draw.choice(_READERS)),
    )


def _spacing(text: str) -> str:
    return text.replace(" 주세요", "주세요").replace("에서 ", "에서").replace(" 가운데", "가운데")


def _ending(text: str) -> str:
    return (
        text.replace("주세요", "줘")
        .replace("습니다", "어요")
        .replace("나을까요", "나을까")
        .replace("하세요", "해요")
    )


def _particle(text: str) -> str:
    return (
        text.replace("에게 ", "한테 ")
        .replace("에서 ", "에서는 ")
        .replace("와 ", "랑 ")
        .replace("과 ", "이랑 ")
    )


def _punctuation(text: str) -> str:
    return text.replace(",", "").replace(".", "!").replace("'", '"')


VARIANTS: tuple[Callable[[str], str], ...] = (_spacing, _ending, _particle, _punctuation)


def row(identifier: str, text: str, response: str, *, rounds: int = 0, seed_id: str = "seed") -> Row:
    """A row of one turn."""
    return Row(
        id=identifier,
        category="writing",
        messages=[Message(role="user", content=text), Message(role="assistant", content=response)],
        lineage=lineage(seed_id, round=rounds),
    )


def planted_rows(count: int, seed: int, share: float = 0.2) -> list[Row]:
    """`count` rows of which about `share` vary an earlier one in particle, ending, spacing or signs."""
    draw = random.Random(seed)
    rows: list[Row] = []
    for number in range(count):
        if rows and draw.random() < share:
            text = draw.choice(VARIANTS)(draw.choice(rows).instruction)
        else:
            text = instruction(draw)
        rows.append(row(f"row-{number}", text, f"{number}번째 답입니다."))
    return rows
