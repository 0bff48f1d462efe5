"""Decontamination: what is found, what stays, and that it depends on nothing else."""

from __future__ import annotations

import random

import pytest

from bench.decontamination import OTHER, planted, prompts, questions, seeds
from bench.korean_rows import row
from bench.leaks import PERTURBATIONS
from gukbap.config import CleanConfig
from gukbap.schemas import EvaluationText, Leak, Message
from gukbap.stages.clean.leaks import Decontaminator

SIMILARITY = CleanConfig().similarity
PROMPT = (
    "한 개에 1,200원인 사과 5개와 한 개에 800원인 귤 10개를 사면 모두 얼마인가요? "
    "거스름돈을 받으려면 얼마를 내야 하는지도 설명해 주세요."
)


def _text(text: str, name: str = "pack question 1 turn 1") -> EvaluationText:
    return EvaluationText(id=name, text=text)


def _found(text: str, *messages: str) -> Leak | None:
    given = row("r", "질문", "답")
    turns = [
        Message(role="user" if number % 2 == 0 else "assistant", content=content)
        for number, content in enumerate(messages)
    ]
    return next(
        Decontaminator([_text(text)], SIMILARITY).leaks([given.model_copy(update={"messages": turns})])
    )


@pytest.mark.parametrize(
    "variant",
    [
        PROMPT,
        "한개에 천이백 원 하는 사과 다섯 개랑 한개에 팔백 원 하는 귤 열 개를 사면 모두 얼마입니까? "
        "거스름돈 받으려면 얼마 내야 하는지도 설명해 줘",
        "거스름돈을 받으려면 얼마를 내야 하는지도 설명해 주세요. "
        "귤 10개가 한 개에 800원이고, 사과 5개가 한 개에 ₩1,200이면 모두 얼마인가요?",
        "안녕하세요. 시장에 가기 전에 하나 여쭤봅니다.\n"
        + PROMPT
        + "\n답은 표로 정리하고, 시장 이야기도 해 주세요.",
    ],
)
def test_a_prompt_in_other_words_is_found(variant: str) -> None:
    leak = _found(PROMPT, variant, "모두 14,000원입니다.")
    assert leak is not None
    assert (leak.text_id, leak.message) == ("pack question 1 turn 1", 1)
    assert leak.score == getattr(leak, leak.measure) >= SIMILARITY


def test_it_is_found_in_answers_and_later_turns() -> None:
    innocent = "오늘 날씨가 어떤가요?"
    assert _found(PROMPT, innocent, "맑습니다.", innocent, PROMPT) == _found(PROMPT, "가", "나", "다", PROMPT)
    found = _found(PROMPT, innocent, f"맑습니다. {innocent * 200} {PROMPT} {innocent * 200}")
    assert found is not None and found.message == 2


def test_a_row_with_a_part_of_a_long_prompt_is_found() -> None:
    parts = [prompt.text for prompt in prompts(questions("own"))[:12]]
    leak = _found("\n".join(parts), f"다음 물음에 답해 보세요. {parts[8]} 짧게 써 주세요.", "네, 알겠습니다.")
    assert leak is not None


@pytest.mark.parametrize(
    "twin",
    [
        "한 권에 3,500원인 공책 7권과 한 자루에 900원인 연필 12자루를 사면 모두 얼마인가요? "
        "택배로 받으려면 얼마를 내야 하는지도 설명해 주세요.",
        "사과와 귤의 차이를 설명해 주세요.",
        "거스름돈을 계산하는 파이썬 함수를 작성하고 사용법을 설명해 주세요.",
    ],
)
def test_the_same_wording_about_something_else_stays(twin: str) -> None:
    assert _found(PROMPT, twin, "네.") is None


def test_short_texts_are_counted_and_not_looked_for() -> None:
    detector = Decontaminator([_text("유효하다."), _text(PROMPT, "other")], SIMILARITY)
    assert (detector.texts, detector.too_short) == (2, 1)
    assert list(detector.leaks([row("r", "이 표는 유효하다. 맞나요?", "유효하다.")])) == [None]


def test_all_perturbations_of_the_own_pack_are_found_and_no_innocent_row() -> None:
    texts = prompts(questions("own"))
    given = planted(texts, seeds(), 1_500, seed=7)
    found = [leak is not None for leak in Decontaminator(texts, SIMILARITY).leaks(given.rows)]
    by_kind: dict[str, list[bool]] = {}
    for kind, hit in zip(given.kinds, found, strict=True):
        by_kind.setdefault(kind, []).append(hit)
    shares = {kind: sum(hits) / len(hits) for kind, hits in by_kind.items()}
    assert min(shares[kind] for kind in PERTURBATIONS) >= 0.95, shares
    assert shares[OTHER] == 0, shares


def test_neither_other_rows_nor_the_order_of_texts_matter() -> None:
    texts = prompts(questions("own"))
    rows = planted(texts, seeds(), 700, seed=3).rows
    alone = {
        one.id: leak for one, leak in zip(rows, Decontaminator(texts, SIMILARITY).leaks(rows), strict=True)
    }
    random.Random(1).shuffle(rows)
    texts = texts[::-1]
    again = {
        one.id: leak for one, leak in zip(rows, Decontaminator(texts, SIMILARITY).leaks(rows), strict=True)
    }
    detector = Decontaminator(texts, SIMILARITY)
    few = {one.id: leak for one in rows[:50] for leak in detector.leaks([one])}
    assert again == alone
    assert few.items() <= alone.items()


def test_edge_rows_come_back_one_for_one() -> None:
    edges = ["", " ", "😀", "\x00", "\ud83d", "가" * 1_000_000, "\u202e거꾸로", "1" * 100_000, "a\udc00b"]
    rows = [row("r", "가", "나").model_copy(update={"messages": _turns(text)}) for text in edges]
    assert list(Decontaminator([_text(PROMPT)], SIMILARITY).leaks(rows)) == [None] * len(edges)
    assert list(Decontaminator([], SIMILARITY).leaks(rows)) == [None] * len(edges)


def _turns(text: str) -> list[Message]:
    return [
        Message.model_construct(role="user", content=text),
        Message.model_construct(role="assistant", content=""),
    ]
