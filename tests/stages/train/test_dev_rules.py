"""What the rules say of sound and of broken answers."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.stages.train.dev_rules import marks, score

QUESTION = "비 오는 날 집에서 할 수 있는 일을 세 가지만 알려 주세요."
GOOD = "책을 읽거나, 따뜻한 차를 마시거나, 오래된 영화를 다시 볼 수 있습니다."


def given(answer: str, question: str = QUESTION, **more: Any) -> dict[str, float]:
    return marks(question, answer, **{"ended": True, "reference": None, **more})


def test_a_sound_answer_keeps_every_rule() -> None:
    assert set(given(GOOD, reference=GOOD).values()) == {1.0}
    assert score(given(GOOD)) == 1.0


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        ("", "language"),
        (" \n…!", "language"),
        ("You can read a book, drink some tea, or watch an old movie again at home.", "language"),
        ("您可以在家里看书，喝热茶，或者重新看一部老电影。", "language"),
        (GOOD + "<|im_end|>", "clean"),
        (GOOD + " [INST] 다음 질문", "clean"),
        (GOOD + "<unused42>", "clean"),
        ("user\n" + GOOD, "clean"),
        (GOOD + " \ufffd", "clean"),
        ("### 응답:\n" + GOOD, "clean"),
        (QUESTION, "original"),
        ("비 오는 날 집에서 할 수 있는 일을 세 가지만", "original"),
        (QUESTION + "\n매일 집에서 무엇을 하는지, 또 왜 그 일을 좋아하는지도 함께 적어 봅시다.", "original"),
    ],
)
def test_what_makes_an_answer_worthless(answer: str, broken: str) -> None:
    found = given(answer)
    assert found[broken] == 0.0
    assert score(found) == 0.0


def test_parts_count_a_third_each() -> None:
    assert score(given(GOOD, ended=False)) == pytest.approx(2 / 3)
    loop = given("책을 읽습니다. " * 12)
    assert loop["varied"] == 0.0 and score(loop) == pytest.approx(2 / 3)
    for short in ("연두고등학교 1학년 1학기 1학기 1학기 1학기", "한글을 배우고, " * 4):
        assert given(short)["varied"] == 0.0, short
    assert given("네.")["length"] == 0.0
    assert given("인구는 100000000000명입니다.")["varied"] == 1.0
    for size, fits in ((10, 0.0), (40, 1.0), (400, 1.0), (500, 0.0)):
        text = "가나다라마바사아자차"[:10] * (size // 10)
        assert given(text, reference="나" * 100)["length"] == fits, size


def test_what_looks_broken_and_is_not() -> None:
    correct = "다음 문장의 맞춤법을 고쳐 주세요: 나는 어제 학교에 갓다가 집에 와서 숙제를 햇다."
    corrected = "나는 어제 학교에 갔다가 집에 와서 숙제를 했다."
    assert given(corrected, correct, reference=corrected)["original"] == 1.0
    translated = given("The weather is nice today.", "'오늘 날씨가 좋다'를 영어로 번역해 주세요.")
    assert score(translated) == 1.0
    assert score(given("서울입니다.", "대한민국의 수도는 어디인가요? 한 문장으로 답해 주세요.")) == 1.0
    assert given("```html\n<b>굵게</b>\n```\n이렇게 씁니다.")["clean"] == 1.0


def test_the_tokenizers_own_special_tokens_are_leaks_too() -> None:
    assert given(GOOD + " <끝>", special_tokens=["<끝>"])["clean"] == 0.0
