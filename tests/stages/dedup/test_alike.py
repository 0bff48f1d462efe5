"""What counts as a near-duplicate."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.config import DedupConfig
from gukbap.stages.dedup.alike import Likeness, likeness
from gukbap.stages.dedup.text import Comparable, fixed_parts
from gukbap.stages.dedup.words import stem
from tests.stages.dedup.rows import BASE

SETTINGS = DedupConfig()


def compared(one: str, other: str) -> Likeness | None:
    return likeness(Comparable.of(one), Comparable.of(other), SETTINGS)


@pytest.mark.parametrize(
    "variant",
    [
        "동네 도서관에서 어르신께 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 줘",
        "동네 도서관에서 어르신에게 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 주세요!",
        "동네 도서관에서, 어르신께 스마트폰의 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 쓰세요.",
        "동네 도서관에서 어르신께 스마트폰 사용법을 친절히 알려 드리는 자원봉사 활동을 소개하는 글을 써 줘.",
    ],
    ids=["ending", "particle", "particle and ending", "one more word"],
)
def test_korean_variants_are_near_duplicates(variant: str) -> None:
    found = compared(BASE, variant)
    assert found is not None
    assert found.reason == "near"
    assert 0.4 <= found.jaccard < 1
    assert SETTINGS.similarity <= found.edit < 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("네", "네."),
        ("가나", "가 나!"),
        (BASE, BASE.replace(" ", "")),
        ("책이 1,000권 있는 서재를 꾸며 주세요", "책이 1000권 있는 서재를 꾸며 주세요"),
        ("ＡＢＣ 순서를 외우는 노래", "abc 순서를 외우는 노래"),
        (BASE, unicodedata.normalize("NFD", BASE)),
        ("A/S 센터와 F-16을 설명해 주세요", "AS 센터와 F16을 설명해 주세요"),
        ("max = 최댓값 - 가장 큰 값", "max: 최댓값, 가장 큰 값"),
        ("", " "),
    ],
    ids=[
        "sign",
        "space",
        "no space",
        "thousands",
        "full width",
        "NFD",
        "slash and hyphen",
        "sign beside words",
        "empty",
    ],
)
def test_the_same_text_in_another_form_is_the_same(one: str, other: str) -> None:
    assert compared(one, other) == Likeness("same", 1.0, 1.0)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "사과 3명이 나누어 먹으면 몇 개씩인지 알려 주세요",
            "사과 4명이 나누어 먹으면 몇 개씩인지 알려 주세요",
        ),
        ("원고를 250자로 적어 주세요", "원고를 250줄로 적어 주세요"),
        ("회의를 토요일에 여는 까닭을 적어 주세요", "회의를 일요일에 여는 까닭을 적어 주세요"),
        ("영어에서 일본어로 옮길 때 주의할 점", "일본어에서 영어로 옮길 때 주의할 점"),
        ("사과를 세 명이 나누어 먹는 방법을 적어 주세요", "사과를 네 명이 나누어 먹는 방법을 적어 주세요"),
        ("12 + 5의 값을 구하고 풀이를 적어 주세요", "12 × 5의 값을 구하고 풀이를 적어 주세요"),
        ("2 × (3 + 4)를 계산해 주세요", "2 + (3 + 4)를 계산해 주세요"),
        ("x + 3 = 7일 때 x의 값을 구해 주세요", "x - 3 = 7일 때 x의 값을 구해 주세요"),
        ("a > b일 때 성립하는 식을 적어 주세요", "a < b일 때 성립하는 식을 적어 주세요"),
        ("기온이 -5도일 때 할 일을 알려 주세요", "기온이 5도일 때 할 일을 알려 주세요"),
        ("길이가 3.5미터인 끈을 설명해 주세요", "길이가 35미터인 끈을 설명해 주세요"),
        ("C++로 정렬 함수를 작성해 주세요", "C#으로 정렬 함수를 작성해 주세요"),
        ("파이썬으로 정렬 함수를 작성해 주세요", "자바스크립트로 정렬 함수를 작성해 주세요"),
        (
            "서울의 역사와 먹거리를 초등학생에게 알려 주세요",
            "부산의 역사와 먹거리를 초등학생에게 알려 주세요",
        ),
        ("재택근무의 장점을 표로 정리해 주세요", "재택근무의 단점을 표로 정리해 주세요"),
        ("답에 예시를 꼭 포함해서 자세히 써 주세요", "답에 예시를 꼭 포함하지 말고 자세히 써 주세요"),
        (
            "사과 3개와 배 4개를 담고, 순서를 정해 주세요",
            "배 3개와 사과 4개를 담고, 순서를 정해 주세요",
        ),
        ("😀", "😭"),
        ("네", "아니요"),
        ("가", "가나"),
    ],
)
def test_different_tasks_are_not_near_duplicates(one: str, other: str) -> None:
    assert compared(one, other) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("상차림 다섯 가지를 제안해 주세요", "상차림 5가지를 제안해 주세요"),
        (BASE, BASE.replace("소개", "안내")),
        ("책상을 정리하는 순서를 알려 주세요", "책상을 정리하는 순섯를 알려 주세요"),
        ("책상을 정리하는 순서를 알려 주세요", "책\u200b상을 정리하는 순\u00ad서를 알려 주세요"),
        ("강물이 흐르는 까닭을 알려 주세요", "ㄱㅏㅇㅁㅜㄹㅇㅣ 흐르는 까닭을 알려 주세요"),
    ],
    ids=["number in words", "synonyms", "slip", "invisible", "single letters"],
)
def test_other_words_for_the_same_task_are_near_duplicates(one: str, other: str) -> None:
    assert compared(one, other) is not None


# A request about a longer text, which stands behind or before it.
MATERIAL = (
    "지난 주말에 가족과 함께 오래된 시장을 찾았다. 좁은 골목마다 갓 구운 빵 냄새가 풍겼고, 어머니는 나물을 "
    "고르느라 한참을 서 계셨다. 아버지는 낡은 시계를 고치는 가게 앞에서 옛날이야기를 들려주셨다. 저녁에는 "
    "비가 조금 내렸지만 모두의 얼굴은 환했다."
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("다음 글을 요약해 주세요.", "다음 글을 번역해 주세요."),
        ("다음 글을 영어로 옮겨 주세요.", "다음 글을 일본어로 옮겨 주세요."),
        ("다음 글의 제목을 지어 주시겠어요?", "다음 글의 주제를 말해 주시겠어요?"),
        ("다음 글을 이어서 써 주세요.", "다음 글의 맞춤법을 고쳐 주세요."),
        ("아버지의 성격을 설명해 주세요.", "어머니의 성격을 설명해 주세요."),
    ],
)
def test_another_request_about_the_same_text_is_another_task(one: str, other: str) -> None:
    assert compared(f"{one} {MATERIAL}", f"{other} {MATERIAL}") is None
    assert compared(f"{MATERIAL} {one}", f"{MATERIAL} {other}") is None
    assert compared(f"{one} {MATERIAL}", f"{MATERIAL} {other}") is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("다음 글을 요약해 주세요.", "다음 글을 요약해 줘."),
        ("다음 글을 요약해 주세요.", "안녕하세요. 다음 글을 요약해 주세요."),
        ("다음 글을 자세히 요약해 주세요.", "다음 글을 상세히 요약해 주세요."),
    ],
)
def test_the_same_request_about_the_same_text_is_a_near_duplicate(one: str, other: str) -> None:
    assert compared(f"{one} {MATERIAL}", f"{other} {MATERIAL}") is not None
    assert compared(f"{MATERIAL} {one}", f"{MATERIAL} {other}") is not None
    assert compared(f"{one} {MATERIAL}", f"{one} {MATERIAL.replace('조금', '잠깐')}") is not None


ABOUT = "{} 준비하는 계획을 표로 정리하고 빠뜨리기 쉬운 점을 동생에게 설명하듯이 알려 주세요"


@pytest.mark.parametrize(
    "pair",
    [
        *("10원으로|10만원으로", "10만 원으로|10 원으로", "10만 원으로|10억 원으로", "5m 끈을|5cm 끈을"),
        *(
            "3시 약속을|3시간 약속을",
            "3시 약속을|3시 반 약속을",
            "5개 안에|5개월 안에",
            "2주 동안|2주년 동안",
        ),
        *("두 시간 안에|두 시 안에", "20도에서|20%에서", "20%를|20%p를", "3월에|3개월에", "100 ml를|100 l를"),
        *("1학년 수업을|1학기 수업을", "100 미터를|100 킬로미터를", "3명을 위해|3쌍을 위해"),
        *(
            "오십만 원으로|백만 원으로",
            "백 쪽을|이백 쪽을",
            "삼십만 원으로|삼십억 원으로",
            "만 원으로|천 원으로",
        ),
        *(
            "이십 명이|사십 명이",
            "삼 개월 동안|육 개월 동안",
            "이십일 동안|삼십일 동안",
            "50만 원으로|오백만 원으로",
        ),
        *("대학생을|중학생을", "초등학생을|고등학생을", "판매자를|구매자를", "형을|동생을", "봄을|가을을"),
        *("짧게|길게", "간단히|자세히", "재미있게|진지하게", "시로|편지로"),
    ],
)
def test_another_amount_person_or_manner_is_another_task(pair: str) -> None:
    one, other = (ABOUT.format(words) for words in pair.split("|"))
    assert compared(one, other) is None


@pytest.mark.parametrize(
    "pair",
    [
        *("20%는|20%가", "3명에게|3명한테", "5개를|5개만", "10만 원으로|10만원으로", "100%로|100% 로"),
        *("세 가지를|3가지를", "두 명이|두 사람이", "1등을|1위를", "3킬로그램을|3kg을", "10분 동안|10분간"),
        *("오십만 원으로|50만 원으로", "삼십 명을|30명을", "백 쪽을|100쪽을", "만 원으로|1만 원으로"),
        *("삼 개월 동안|3개월 동안", "이십일 동안|20일 동안", "쉰 살에|오십 살에", "오십 퍼센트를|50%를"),
        *("3번이나|3번", "1부터 10까지|1에서 10까지", "2024년에|2024년도에", "3가지 방법을|3가지 요령을"),
        *("자세히|자세하게", "쉽게|알기 쉽게", "아직|여전히"),
    ],
)
def test_another_form_of_an_amount_or_manner_is_a_near_duplicate(pair: str) -> None:
    one, other = (ABOUT.format(words) for words in pair.split("|"))
    assert compared(one, other) is not None


def test_a_changed_noun_matters_less_in_a_long_text() -> None:
    long = " ".join([BASE, *(BASE.replace("도서관", place) for place in ("경로당", "복지관", "주민 센터"))])
    assert compared(long, long.replace("스마트폰", "컴퓨터", 1)) is not None
    assert compared(BASE, BASE.replace("스마트폰", "컴퓨터", 1)) is None


def test_clauses_in_another_order_are_a_near_duplicate() -> None:
    one = "먼저 김치찌개 재료를 적어 주세요. 그다음 끓이는 순서를 써 주세요. 끝으로 보관법을 알려 주세요."
    other = "끝으로 보관법을 알려 주세요. 먼저 김치찌개 재료를 적어 주세요. 그다음 끓이는 순서를 써 주세요."
    found = compared(one, other)
    assert found is not None
    assert found.reason == "rearranged"
    assert found.edit < SETTINGS.similarity


def test_numbers_keep_their_order_and_their_thousands() -> None:
    assert fixed_parts("1,234,567원과 2.5% 그리고 1, 2, 3") == ("1234567", "2.5", "1", "2", "3")
    assert fixed_parts("3명이 4개") != fixed_parts("4명이 3개")
    assert fixed_parts("7 - 3, -2 그리고 c#") == ("7", "-", "3", "-", "2", "#")


@pytest.mark.parametrize(
    ("forms", "root"),
    [
        ("설명해 설명하고 설명합니다 설명했습니다 설명하세요", "설명"),
        ("역사를 역사의 역사는 역사와 역사에서는", "역사"),
        ("가을을 가을이 가을에 가을", "가을"),
        ("좋습니다 좋아요", "좋"),
        ("아들을 아들이 아들", "아들"),
    ],
)
def test_stems_lose_particles_and_endings(forms: str, root: str) -> None:
    assert {stem(form) for form in forms.split()} == {root}


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="가나다라 마바1 2.,-A\U0001f600한두개", max_size=24), st.text(max_size=24))
def test_likeness_has_no_direction_and_a_text_is_like_itself(one: str, other: str) -> None:
    assert compared(one, one) == Likeness("same", 1.0, 1.0)
    assert compared(one, other) == compared(other, one)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="가다요 줘1.?!\n\t\u3000\U0001f600", max_size=40))
def test_every_word_stands_in_one_sentence(text: str) -> None:
    prepared = Comparable.of(text)
    assert len(prepared.asking) == len(prepared.words)
