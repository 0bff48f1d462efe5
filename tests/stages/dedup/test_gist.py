"""Short requests in other words, and short requests that only look alike."""

from __future__ import annotations

import pytest

from gukbap.config import DedupConfig
from gukbap.stages.dedup.alike import likeness
from gukbap.stages.dedup.gist import MOST_WORDS, gist
from gukbap.stages.dedup.text import Comparable


def one_gist(one: str, other: str) -> bool:
    """Whether both texts have a gist, and the same."""
    left, right = Comparable.of(one).gist, Comparable.of(other).gist
    return left == right != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("두 제품의 차이점을 설명해 줘", "두 제품의 차이를 설명해 주세요"),
        ("김치찌개 끓이는 방법을 알려 줘", "김치찌개를 끓이는 법 알려줘."),
        ("지구 온난화의 원인을 설명해 주세요", "지구온난화의 이유는 무엇인가요?"),
        ("면접에서 자기소개를 하는 방법", "면접에서 자기소개하는 방법이 궁금합니다"),
        ("제주도 여행 계획을 세워 줘", "제주도 여행 계획 좀 세워 줄 수 있어?"),
        ("사과와 배의 공통점은 무엇입니까?", "사과랑 배의 공통점은 뭐야?"),
        ("스트레스를 줄이는 방법을 세 가지 알려 줘", "스트레스 줄이는 방법 3가지를 알려 주세요"),
        ("30명이 참석하는 회의 안건을 만들어 줘", "삼십 명이 참석하는 회의의 안건을 만들어 주세요"),
        ("환경을 보호하려면 무엇을 해야 하나요?", "환경을 보호하려면 뭘 해야 해?"),
        ("집에서 할 수 있는 운동을 추천해 주세요", "집에서 할 수 있는 운동 추천"),
        ("겨울에 어울리는 시를 한 편 써 줘", "겨울에 어울리는 시 한 편을 작성해 주세요"),
    ],
)
def test_other_words_for_one_request(one: str, other: str) -> None:
    assert one_gist(one, other)
    assert likeness(Comparable.of(one), Comparable.of(other), DedupConfig())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("형이 쓴 편지에 답해 줘", "형에게 쓴 편지에 답해 줘"),
        ("강아지가 무서워하는 동물을 알려 줘", "강아지를 무서워하는 동물을 알려 줘"),
        ("선생님께서 쓰신 편지에 답해 줘", "선생님께 쓴 편지에 답해 줘"),
        ("집에서 회사까지 가는 길", "회사에서 집까지 가는 길"),
        ("영어를 한국어로 번역해 줘", "영어로 한국어를 번역해 줘"),
        ("이메일에 대해 설명하는 글을 읽어 줘", "이메일에 대해 설명하는 글을 써 줘"),
        ("서울의 관광지를 써 줘", "서울의 관광지를 알려 줘"),
        ("친구의 부탁을 거절하는 방법", "친구를 거절하는 방법"),
        ("제품 설명을 요약해 줘", "제품을 요약해 줘"),
        ("과자를 많이 먹는 방법", "과자를 조금 먹는 방법"),
        ("과일을 10원에 파는 가게", "과일을 10만 원에 파는 가게"),
        ("방법을 세 가지 알려 주는 책", "방법을 네 가지 알려 주는 책"),
        ("집에서 할 수 있는 운동 추천", "집에서 할 수 없는 운동 추천"),
        ("커피 말고 차를 추천해 줘", "커피 차를 추천해 줘"),
        ("아이를 공부시키는 방법", "아이를 공부하는 방법"),
        ("회사에서 해고한 사람의 편지", "회사에서 해고된 사람의 편지"),
        ("고려를 세운 사람은 누구인가요?", "고려를 세운 때는 언제인가요?"),
        ("x + 3의 값을 구하는 방법", "x - 3의 값을 구하는 방법"),
    ],
)
def test_other_requests(one: str, other: str) -> None:
    assert not one_gist(one, other)


def test_a_single_word_of_content_a_long_text_and_other_languages_have_no_gist() -> None:
    assert Comparable.of("요약해 주세요").gist == ""
    assert Comparable.of(" ".join(["국밥"] * (MOST_WORDS + 1))).gist == ""
    assert Comparable.of("Explain the difference between two products").gist == ""
    assert Comparable.of("").gist == Comparable.of("?!").gist == ""


def test_words_written_together_have_the_gist_of_words_apart() -> None:
    assert gist(["지구온난화의", "원인"]) == gist(["지구", "온난화의", "원인"]) == "지구온난화이유"
