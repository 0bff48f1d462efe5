"""Rows for the tests of near-dedup, and the plainest way to say what is to come out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from bench.korean_rows import VARIANTS, instruction, row
from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupConfig, DedupSettings
from gukbap.schemas import Row
from gukbap.stages.dedup import DedupResult, near_dedup
from gukbap.stages.dedup.alike import likeness
from gukbap.stages.dedup.text import Comparable

BASE = "동네 도서관에서 어르신께 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 주세요."
LONG = "이 답은 서른 글자를 넘도록 일부러 조금 길게 적어 둔 답입니다. 다른 행과 겹치면 중복으로 봅니다."


def configured(**values: object) -> DedupSettings:
    return DedupSettings(seed=42, dedup=DedupConfig.model_validate(values))


def dedup(rows: Sequence[Row], **values: object) -> DedupResult:
    return near_dedup(configured(**values), rows, SilentProgress())


def of_texts(*texts: str) -> list[Row]:
    return [row(f"r{number}", text, f"답 {number}") for number, text in enumerate(texts)]


def kept_ids(rows: Sequence[Row], **values: object) -> list[str]:
    return [kept.id for kept in dedup(rows, **values).kept]


#: Wordings of one short request: their gist is the same, and they share few shingles.
WORDINGS = (
    "{}의 {} 차이점을 설명해 줘",
    "{}의 {} 차이를 알려 주세요",
    "{}의 {} 차이가 무엇인가요?",
    "{} {} 차이는 뭐야?",
)
_PLACES = ("서울", "부산", "대구", "광주", "제주", "강릉", "전주", "춘천")
_THINGS = ("날씨", "음식", "교통", "물가")


def families(count: int, seed: int) -> list[Row]:
    """`count` instructions and as many rows again that vary one of them, in no order; and short requests in
    several wordings."""
    draw = random.Random(seed)
    texts = [instruction(draw) for _ in range(count)]
    texts += [draw.choice(VARIANTS)(draw.choice(texts)) for _ in range(count)]
    for _ in range(count // 5):
        texts.append(draw.choice(WORDINGS).format(draw.choice(_PLACES), draw.choice(_THINGS)))
    draw.shuffle(texts)
    return of_texts(*texts)


def greedy_ids(rows: Sequence[Row], settings: DedupConfig) -> set[str]:
    """The ids that stay where every pair is compared: the best first, unless it is alike one that stays."""
    kept: list[tuple[str, Comparable]] = []
    for one in rows:
        text = Comparable.of(one.instruction)
        if not any(likeness(text, other, settings) for _, other in kept):
            kept.append((one.id, text))
    return {identifier for identifier, _ in kept}
