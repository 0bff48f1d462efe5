"""Numbers in words, before the units that tell them from other words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gukbap.stages.dedup.numerals import in_digits, is_numeral, may_be_numeral


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("사과 두 개와 세명", "사과 2 개와 3명"),
        ("삼십 명이 이천이십육 년에", "30 명이 2026 년에"),
        ("오십만 원을 백만원으로", "50만 원을 100만원으로"),
        ("삼만 오천 원과 일억 이천만 원", "3만5000 원과 1억2000만 원"),
        ("오십 만 원", "50만 원"),
        ("만 원을 천원으로", "1만 원을 1000원으로"),
        ("이십일 동안 삼십일 개를", "20일 동안 31 개를"),
        ("1억 이천만 원", "1억 2000만 원"),
        ("삼조 원", "3조 원"),
        ("오 분 만에 삼 층으로", "5 분 만에 3 층으로"),
    ],
)
def test_a_number_in_words_is_one_in_digits(text: str, expected: str) -> None:
    assert in_digits(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "이 문장을 구분해 주세요",  # this, to tell apart
        "이사 비용과 일기를",  # moving house, a diary
        "천장과 만점을",  # a ceiling, a full mark
        "구조 등을 조사 등으로, 조명과",  # structure, inquiry, light
        "만일 시간이 나면",  # if
        "이천 시장에서 사천 요리를",  # places
        "50만 원을 1,000원으로",
        "20세 미만",
        "수십만 명과 십여 명",  # no one knows how many
        "삼촌과 육개장과 칠판",
        pytest.param(f"{'일' * 1_000_001}만 원", id="endless"),
    ],
)
def test_other_words_are_no_numbers(text: str) -> None:
    assert in_digits(text) == text


@settings(max_examples=1000, deadline=None)
@given(st.text(alphabet="일이삼사오육칠팔구십백천만억조 원명을두세개1,.", max_size=24))
def test_a_text_in_digits_stays_as_it_is(text: str) -> None:
    assert in_digits(in_digits(text)) == in_digits(text)


def test_a_numeral_needs_a_unit_unless_it_is_native() -> None:
    assert is_numeral("오십만", "원으로")
    assert is_numeral("세", "")
    assert not is_numeral("이천", "시장에서")
    assert not is_numeral("", "원")
    assert may_be_numeral("오십만원으로")
    assert may_be_numeral("세가지")
    assert not may_be_numeral("이사")
