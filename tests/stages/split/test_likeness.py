"""The join of the split finds exactly the pairs that comparing all would find."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gukbap.stages.split.likeness import alike


def shingles(text: str) -> set[str]:
    return {text[place : place + 3] for place in range(max(1, len(text) - 2))}


def jaccard(one: str, other: str) -> float:
    left, right = shingles(one), shingles(other)
    return len(left & right) / len(left | right)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("가나다", max_size=14), max_size=12),
    st.sampled_from([0.1, 0.3, 0.5, 0.6, 0.7, 0.9, 1.0]),
)
@example(["가나다라마바사아자차카타", "가나다라마바사아자"], 0.7)  # 7 of 10, which is 0.7000000000000001 × 10
def test_as_comparing_all_pairs(texts: list[str], similarity: float) -> None:
    expected = {
        (one, other)
        for one, other in combinations(range(len(texts)), 2)
        if jaccard(texts[one], texts[other]) >= similarity
    }
    assert {(min(pair), max(pair)) for pair in alike(texts, similarity)} == expected


def test_spelling_does_not_count_and_known_pairs_are_passed_over() -> None:
    texts = ["서울의 봄을 그려 주세요.", "서울의봄을 그려주세요!", "수학 문제를 풀어 줘"]
    assert list(alike(texts, 0.9)) == [(0, 1)]
    assert list(alike(texts, 0.9, known=lambda one, other: True)) == []


@pytest.mark.parametrize("texts", [[], [""], ["", "", "😀"]])
def test_texts_without_letters(texts: list[str]) -> None:
    assert all(texts[one] == texts[other] for one, other in alike(texts, 0.5))
