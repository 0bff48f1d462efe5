"""Texts as they are compared: letters, and numbers as values."""

from __future__ import annotations

import unicodedata

import pytest

from gukbap.stages.clean.letters import clauses, letters, passages


@pytest.mark.parametrize(
    "same",
    [
        ("3명", "세 명", "삼 명", "３명", "three 명", "③명"),
        ("1,000원", "₩1,000", "천 원", "1천 원", "일천 원", "1000원"),
        ("12개", "열두 개", "십이 개"),
        ("25,000", "2만 5천", "이만 오천", "2만5000", "이만오천"),
        ("1억 2천만", "120,000,000", "일억 이천만"),
        ("스물세 살", "23살", "이십삼 살"),
        ("3,6,11", "3, 6, 11", "3 6 11"),
        ("$100", "100달러", "백 달러"),
        ("맞춤법을 고치세요!", "맞춤법을　고치세요", unicodedata.normalize("NFD", "맞춤법을 고치세요")),
        ("PyTorch", "ｐｙｔｏｒｃｈ"),
    ],
)
def test_what_is_the_same(same: tuple[str, ...]) -> None:
    assert len({letters(text) for text in same}) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("3명", "4명"), ("1,000원", "10,000원"), ("열두 개", "열세 개"), ("2.7%", "27%"), ("3,6,11", "3611")],
)
def test_what_is_not(one: str, other: str) -> None:
    assert letters(one) != letters(other)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "😀😭",
        "\x00",
        "\ud800",
        "가\udfff나",
        "1" * 10_000,
        "천" * 10_000,
        "1,2," * 5_000,
        "\U000f0003명",
    ],
)
def test_no_text_is_refused(text: str) -> None:
    assert letters(letters(text)) is not None
    assert "".join(clauses(text)) is not None


def test_clauses_are_at_least_four_letters() -> None:
    assert clauses("네. 서울에서 부산까지, 얼마나 걸리나요? A, B") == [
        letters("네서울에서부산까지"),
        letters("얼마나걸리나요ab"),
    ]


def test_a_long_text_is_cut_at_its_sentences_and_nothing_is_lost() -> None:
    text = " ".join(f"{number}번째 문장은 조금 길게 적어 둔 문장입니다." for number in range(40))
    parts = list(passages(text, 60, 150))
    assert "".join(parts) == text
    assert all(60 <= len(letters(part)) <= 150 for part in parts)
    assert list(passages(text[:80], 60, 150)) == [text[:80]]
