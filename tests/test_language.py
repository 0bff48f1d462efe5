"""The language audit: cases of our own, the labelled answers, and what must not slow it down."""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from gukbap.language import audit, disagreement, requested_scripts

EVALUATED = Path(__file__).parents[2] / "shared/data/logickor/evaluated"
LABELS = Path(__file__).parent / "data/language_labels.jsonl"
WANTED_F1 = 0.98

WHY = "국밥에 밥을 마는 까닭을 알려 주세요."
IN_ENGLISH = "국밥을 소개하는 글을 영어로 써 주세요."
KOREAN = "국밥은 뜨거운 국에 밥을 말아 먹는 음식입니다. 밥알에 국물이 배어 맛이 깊어집니다."
ENGLISH = "Gukbap is a dish of rice served in hot soup. The rice soaks up the broth and tastes richer."
CHINESE = "汤饭是把米饭泡在热汤里吃的一种韩国传统食物，味道非常鲜美。"
JAPANESE = "クッパは熱いスープにご飯を入れて食べる韓国の料理です。とてもおいしいです。"
CODE = "```python\ndef total(values):\n    # add all the given numbers\n    return sum(values)\n```"

#: question, answer, verdict
CASES = [
    (WHY, KOREAN, "korean"),
    (WHY, ENGLISH, "foreign"),
    (WHY, CHINESE, "foreign"),
    (WHY, JAPANESE, "foreign"),
    (WHY, "Это блюдо из риса и горячего супа, которое едят ложкой.", "foreign"),
    (WHY, f"{KOREAN} {CHINESE}", "foreign"),
    (WHY, f"{KOREAN}\n{JAPANESE}", "foreign"),
    (WHY, f"Sure! Here is what you asked for.\n{KOREAN * 3}", "korean"),
    (WHY, f"{ENGLISH * 4}\n감사합니다.", "foreign"),
    (WHY, 'The dish is called "국밥" and it is eaten with a spoon by many people.', "foreign"),
    (WHY, '영어로는 "rice served in hot soup with many toppings"라고 옮길 수 있습니다.', "korean"),
    (WHY, "국밥(rice in hot soup, a dish of many regions)은 한 그릇 음식입니다.", "korean"),
    (WHY, "HTTP와 REST API, JSON 형식을 함께 쓰면 됩니다.", "korean"),
    (WHY, "설렁탕(雪濃湯)은 소뼈를 오래 고아 만듭니다.", "korean"),
    (WHY, "자세한 내용은 https://example.org/rice/soup/with/many/words 를 보세요.", "korean"),
    (WHY, f"다음과 같이 씁니다.\n{CODE}", "korean"),
    (WHY, CODE, "exempt"),
    (WHY, "42", "exempt"),
    (WHY, "$$x = \\frac{a + b}{2}$$", "exempt"),
    (WHY, "x + y = 10", "exempt"),
    (WHY, "", "empty"),
    (WHY, " \n\t", "empty"),
    (WHY, "\u200b\ufeff", "empty"),
    (WHY, unicodedata.normalize("NFD", KOREAN), "korean"),
    (WHY, "\u200b".join(KOREAN), "korean"),
    (WHY, KOREAN + "\ud800", "korean"),
    (WHY, "O(n log n)의 시간이 걸립니다.", "korean"),
    (WHY, "1. 물을 끓입니다.\n2. 밥을 넣습니다.\n3. 간을 맞춥니다.", "korean"),
    (IN_ENGLISH, ENGLISH, "exempt"),
    (IN_ENGLISH, KOREAN, "exempt"),
    (IN_ENGLISH, CHINESE, "foreign"),
    ("이 문장을 중국어로 옮겨 주세요.", CHINESE, "exempt"),
    ("이 문장을 일본어로 번역해 주세요.", JAPANESE, "exempt"),
    ('다음 글을 한국어로 번역해 주세요: "Rice in hot soup."', ENGLISH, "foreign"),
    ("영어로 된 이 글을 한국어로 옮겨 주세요.", ENGLISH, "foreign"),
]


@pytest.mark.parametrize(("question", "answer", "verdict"), CASES)
def test_verdicts(question: str, answer: str, verdict: str) -> None:
    found = audit(question, answer)
    assert found.verdict == verdict, found.reason
    assert found.complies == (verdict != "foreign")
    assert 0 <= found.hangul_share <= 1
    assert "\n" not in found.reason


@pytest.mark.parametrize(
    ("question", "scripts"),
    [
        ("영어 문장 세 개로 요약해 주세요.", {"latin"}),
        ("아래 문단을 영작해 주세요.", {"latin"}),
        ("중국어와 일본어로 인사해 주세요.", {"kana", "han"}),
        ("영어로 쓰인 안내문을 우리말로 풀어 주세요.", set()),
        ("'apple'이라는 단어의 뜻은 무엇인가요?", set()),
        ("한국어의 높임법을 설명해 주세요.", set()),
        ("영어로 답하지 말고 한국어로 답해 주세요.", set()),
        ("영어로 쓰지 마세요.", set()),
        ("'영어로 말하기'라는 책을 소개해 주세요.", set()),
        ("영어 단어를 잘 외우는 방법을 알려 주세요.", set()),
        ("영어 표현이 왜 어려운지 설명해 주세요.", set()),
    ],
)
def test_a_question_s_wish_for_another_language(question: str, scripts: set[str]) -> None:
    assert requested_scripts(question) >= scripts
    assert bool(requested_scripts(question)) == bool(scripts)


@pytest.mark.parametrize("piece", ["가", "$", "(", '"a ', "<a", "`", "<style>"])
def test_long_answers_are_read_in_linear_time(piece: str) -> None:
    # Quadratic work on such a text takes minutes, and the suite's time limit ends it.
    assert audit(WHY, piece * 100_000).verdict in ("korean", "foreign", "exempt")


@cache
def stored(model: str, strategy: str) -> dict[int, dict[str, Any]]:
    text = (EVALUATED / model / f"{strategy}.jsonl").read_text(encoding="utf-8-sig")
    return {row["id"]: row for row in map(json.loads, text.splitlines())}


@pytest.mark.skipif(not EVALUATED.exists(), reason="LogicKor's stored answers are not beside the checkout")
@pytest.mark.parametrize("half", ["all", "held out"])
def test_the_labelled_answers(half: str) -> None:
    counts: Counter[tuple[bool, bool]] = Counter()
    for label in map(json.loads, LABELS.read_text(encoding="utf-8").splitlines()):
        key = "|".join(str(label[name]) for name in ("model", "strategy", "question", "turn"))
        if half == "held out" and hashlib.sha256(key.encode()).digest()[0] % 2:
            continue
        row = stored(label["model"], label["strategy"])[label["question"]]
        turn = label["turn"] - 1
        found = audit(row["questions"][turn], row["outputs"][turn])
        counts[not label["complies"], not found.complies] += 1
    hits, wrong = counts[True, True], counts[True, False] + counts[False, True]
    assert sum(counts.values()) >= 200 and hits > 40
    assert 2 * hits / (2 * hits + wrong) >= WANTED_F1


def test_disagreements_with_the_judge() -> None:
    foreign, korean = audit(WHY, ENGLISH), audit(WHY, KOREAN)
    assert "the rubric demands 0" in (disagreement(foreign, 7.0, "좋은 답변입니다.") or "")
    assert disagreement(foreign, 0.0, "한국어로 답하지 않았습니다.") is None
    assert disagreement(foreign, None, None) is None
    assert "keeps to the rule" in (disagreement(korean, 0.0, "한국어로 답변하지 않았습니다.") or "")
    assert disagreement(korean, 0.0, "내용이 모두 틀렸습니다.") is None
