"""Made-up judgements for tests; the numbers mean nothing."""

from __future__ import annotations

from typing import Any

from gukbap.schemas import CATEGORIES, Judgement

KOREAN = "밥을 국에 만 음식입니다."
ENGLISH = "It is rice served in a bowl of soup, and I will not answer in Korean."


def judgement(
    question: int,
    turn: int,
    score: float | None,
    subject: str = "tuned",
    strategy: str = "default",
    **values: Any,
) -> Judgement:
    """One judged turn; question n is of category n modulo 6."""
    given = {
        "category": CATEGORIES[question % len(CATEGORIES)],
        "asked": 42,
        "judge": "judge",
        "unscored_reason": None if score is not None else "no score in the reply",
        "comment": "",
        "raw_reply": "",
        "question": "국밥이 무엇인가요?",
        "answer": KOREAN,
        "stopped": True,
        **values,
    }
    return Judgement(
        question_id=question,
        turn=1 if turn == 1 else 2,
        score=score,
        subject=subject,
        strategy=strategy,
        **given,
    )
