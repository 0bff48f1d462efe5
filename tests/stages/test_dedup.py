"""Near-dedup: what counts as a duplicate, which row stays, and MinHash beside all pairs."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.korean_rows import VARIANTS, instruction, planted_rows, row
from gukbap.config import DedupConfig, DedupSettings
from gukbap.ports import ProgressBar
from gukbap.schemas import Message, Row
from gukbap.stages.dedup import DedupResult, near, near_dedup
from gukbap.stages.dedup.pairs import Corpus, candidate_pairs, similar_pairs, verified_pairs
from gukbap.stages.dedup.text import Comparable, fixed_parts, fold, jaccard, shingles
from tests.lineages import lineage

LONG = "이 답은 서른 글자를 넘도록 일부러 조금 길게 적어 둔 답입니다. 다른 행과 겹치면 중복으로 봅니다."


class CountingProgress:
    """Adds up the steps of its bars."""

    def __init__(self) -> None:
        self.total, self.done = 0, 0

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        self.done += steps

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        self.total += total or 0
        yield self

    def say(self, line: str) -> None:
        raise AssertionError(line)


def configured(**values: object) -> DedupSettings:
    return DedupSettings(seed=42, dedup=DedupConfig.model_validate(values))


def dedup(rows: Sequence[Row], **values: object) -> DedupResult:
    return near_dedup(configured(**values), rows, CountingProgress())


def of_texts(*texts: str) -> list[Row]:
    return [row(f"r{number}", text, f"답 {number}") for number, text in enumerate(texts)]


def kept_ids(rows: Sequence[Row], **values: object) -> list[str]:
    return [kept.id for kept in dedup(rows, **values).kept]


BASE = "동네 도서관에서 어르신께 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 주세요."


@pytest.mark.parametrize(
    "variant",
    [
        "동네 도서관에서 어르신께 스마트폰 사용법을 알려드리는 자원봉사활동을 소개하는 글을 써주세요.",
        "동네 도서관에서 어르신께 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 줘",
        "동네 도서관에서 어르신에게 스마트폰 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 써 주세요!",
        "동네 도서관에서, 어르신께 스마트폰의 사용법을 알려 드리는 자원봉사 활동을 소개하는 글을 쓰세요.",
    ],
    ids=["spacing", "ending", "particle", "particle and ending"],
)
def test_korean_variants_are_duplicates(variant: str) -> None:
    result = dedup(of_texts(BASE, variant))
    assert [entry.reason for entry in result.removed] == [near.NEAR_INSTRUCTION]
    assert result.removed[0].similarity >= 0.6
    assert result.statistics["removed_by_reason"] == {near.NEAR_INSTRUCTION: 1}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "사과 3명이 나누어 먹으면 몇 개씩인지 알려 주세요",
            "사과 4명이 나누어 먹으면 몇 개씩인지 알려 주세요",
        ),
        ("12 + 5의 값을 구하고 풀이를 적어 주세요", "12 × 5의 값을 구하고 풀이를 적어 주세요"),
        ("기온이 -5도일 때 할 일을 알려 주세요", "기온이 5도일 때 할 일을 알려 주세요"),
        ("길이가 3.5미터인 끈을 설명해 주세요", "길이가 35미터인 끈을 설명해 주세요"),
        ("C++로 정렬 함수를 작성해 주세요", "C#으로 정렬 함수를 작성해 주세요"),
        ("😀", "😭"),
        ("네", "아니요"),
        ("가", "가나"),
    ],
)
def test_different_questions_both_stay(one: str, other: str) -> None:
    assert kept_ids(of_texts(one, other)) == ["r0", "r1"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("네", "네."),
        ("가나", "가 나!"),
        ("책이 1,000권 있는 서재를 꾸며 주세요", "책이 1000권 있는 서재를 꾸며 주세요"),
        ("ＡＢＣ 순서를 외우는 노래", "abc 순서를 외우는 노래"),
        ("한글", "한글"),
        ("", " "),
    ],
)
def test_the_same_text_in_another_form_is_a_duplicate(one: str, other: str) -> None:
    result = dedup(of_texts(one, other))
    assert [entry.similarity for entry in result.removed] == [1.0]


def test_numbers_keep_their_order_and_their_thousands() -> None:
    assert fixed_parts("1,234,567원과 2.5% 그리고 1, 2, 3") == ("1234567", "2.5", "1", "2", "3")
    assert fixed_parts("3명이 4개") != fixed_parts("4명이 3개")


def test_a_shared_long_response_is_a_duplicate_and_a_short_one_is_not() -> None:
    first, second = "하늘은 왜 파란가요?", "고양이를 기르려면 무엇이 필요할까요?"
    result = dedup([row("a", first, LONG), row("b", second, LONG.replace(" ", "  "))])
    assert [entry.reason for entry in result.removed] == [near.SAME_RESPONSE]
    assert result.removed[0].similarity < 0.6
    assert kept_ids([row("a", first, "네, 맞습니다."), row("b", second, "네, 맞습니다.")]) == ["a", "b"]
    assert kept_ids([row("a", first, LONG + "1"), row("b", second, LONG + "2")]) == ["a", "b"]


def test_the_keeper_has_most_rounds_then_the_longest_response_then_comes_first() -> None:
    spaced = BASE.replace(" ", "")
    assert kept_ids([row("a", BASE, "긴 답입니다"), row("b", spaced, "답", rounds=1)]) == ["b"]
    assert kept_ids([row("a", BASE, "답"), row("b", spaced, "긴 답입니다")]) == ["b"]
    assert kept_ids([row("a", BASE, "답"), row("b", spaced, "밥")]) == ["a"]


def test_a_chain_tells_the_real_similarity_to_its_keeper() -> None:
    words = [f"{syllable}나무숲길" for syllable in "가다라마바사아자차카타파"]
    texts = ["".join(words[start : start + 8]) for start in (0, 2, 4)]
    ends = jaccard(*(shingles(fold(texts[place]), 3) for place in (0, 2)))
    assert ends < 0.5
    result = dedup(of_texts(*texts), similarity=0.5)
    assert {(entry.row.id, entry.reason) for entry in result.removed} == {
        ("r1", near.NEAR_INSTRUCTION),
        ("r2", near.CHAINED),
    }
    assert next(e.similarity for e in result.removed if e.row.id == "r2") == ends
    assert result.statistics["largest_cluster"] == 3


def test_nothing_in_nothing_out() -> None:
    result = dedup([])
    assert (result.kept, result.removed, result.statistics["rows"]) == ([], [], 0)


@pytest.mark.parametrize("limit", [near.EXACT_LIMIT, 0], ids=["all pairs", "minhash"])
def test_lone_surrogates_do_no_harm(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "EXACT_LIMIT", limit)
    # A record refuses a lone surrogate when it is read; built in memory it may still hold one.
    broken = [
        Row.model_construct(
            id=f"r{number}",
            category="writing",
            messages=[
                Message.model_construct(role="user", content=text),
                Message.model_construct(role="assistant", content="\udfff"),
            ],
            lineage=lineage(),
        )
        for number, text in enumerate(["\ud800", "\ud800가나다", "가나다", "\ud801"])
    ]
    instructions = [Comparable.of(one.instruction) for one in broken]
    assert instructions[1] == instructions[2]
    assert kept_ids(broken) == ["r0", "r1", "r3"]


def test_minhash_finds_what_all_pairs_find_on_planted_variants() -> None:
    texts = list(dict.fromkeys(Comparable.of(planted.instruction) for planted in planted_rows(1500, seed=1)))
    chosen = configured()
    corpus = Corpus.of(texts, 3)
    exact = {
        pair
        for left, right in similar_pairs(corpus, 0.6, lambda steps: None)
        for pair in zip(right.tolist(), left.tolist(), strict=True)
    }
    proposed = {
        pair
        for pairs in candidate_pairs(corpus, chosen, lambda steps: None)
        for pair in zip(*(side.tolist() for side in verified_pairs(corpus, pairs, 0.6)), strict=True)
    }
    assert len(exact) > 200
    assert proposed <= exact
    assert len(proposed) / len(exact) > 0.97


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.__name__.strip("_"))
def test_one_of_each_planted_pair_goes(variant: Callable[[str], str]) -> None:
    draw = random.Random(5)
    originals = [instruction(draw) for _ in range(60)]
    kept = set(kept_ids(of_texts(*originals, *map(variant, originals))))
    assert [number for number in range(60) if {f"r{number}", f"r{number + 60}"} <= kept] == []


def test_more_rows_than_the_limit_take_minhash_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = planted_rows(600, seed=2)
    exact = dedup(rows)
    monkeypatch.setattr(near, "EXACT_LIMIT", 100)
    progress = CountingProgress()
    many = near_dedup(configured(), rows, progress)
    assert (exact.statistics["method"], many.statistics["method"]) == ("all pairs", "minhash")
    assert progress.done == progress.total == many.statistics["distinct_instructions"]
    assert len(set(map(id, many.kept)) ^ set(map(id, exact.kept))) <= 6
    assert near_dedup(configured(), many.kept, CountingProgress()).removed == []


def test_what_minhash_misses_is_found_when_few_rows_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = planted_rows(300, seed=3)
    blind: dict[str, object] = {"permutations": 64, "bands": 1}  # hardly any pair agrees in 64 minima
    exact = kept_ids(rows, **blind)
    monkeypatch.setattr(near, "EXACT_LIMIT", dedup(rows).statistics["distinct_instructions"] - 1)
    result = dedup(rows, **blind)
    assert result.statistics["method"] == "minhash"
    assert [kept.id for kept in result.kept] == exact


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = Corpus.of([Comparable.of(planted.instruction) for planted in planted_rows(200, seed=4)], 3)

    def proposed() -> set[tuple[int, int]]:
        pairs = candidate_pairs(corpus, configured(), lambda steps: None)
        return {pair for left, right in pairs for pair in zip(left.tolist(), right.tolist(), strict=True)}

    whole = proposed()
    monkeypatch.setattr("gukbap.stages.dedup.pairs._HASHES_AT_ONCE", 100)
    monkeypatch.setattr("gukbap.stages.dedup.pairs._PAIRS_AT_ONCE", 10)
    assert proposed() == whole
    assert all(left < right for left, right in whole)


def test_hashes_do_not_depend_on_the_process() -> None:
    code = (
        "from gukbap.stages.dedup.text import *; from gukbap.stages.dedup.pairs import *; "
        "c = Corpus.of([Comparable.of('가나다라마바사'), Comparable.of('가나다라마바아')], 3); "
        "from gukbap.stages.dedup import pairs; print(c.shingles.tolist(), pairs._minima(c, 42, 7).tolist())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


# Few syllables, digits and signs, so that many pairs are near each other.
texts = st.text(alphabet="가나다라 마바1 2.,-A\U0001f600", max_size=24)
row_lists = st.lists(
    st.tuples(texts, st.sampled_from(["답", "긴 답", LONG, LONG + "1"]), st.integers(0, 2)), max_size=14
).map(lambda drawn: [row(f"r{n}", text, answer, rounds=r) for n, (text, answer, r) in enumerate(drawn)])


@settings(max_examples=150, deadline=None)
@given(row_lists, st.sampled_from([0.3, 0.6, 1.0]))
def test_a_second_pass_removes_nothing(rows: list[Row], similarity: float) -> None:
    once = dedup(rows, similarity=similarity)
    assert sorted([r.id for r in once.kept] + [e.row.id for e in once.removed]) == sorted(r.id for r in rows)
    twice = dedup(once.kept, similarity=similarity)
    assert twice.kept == once.kept
    assert twice.removed == []


@settings(max_examples=75, deadline=None)
@given(row_lists, st.randoms(use_true_random=False))
def test_the_order_of_rows_decides_nothing_without_ties(rows: list[Row], draw: random.Random) -> None:
    # Rounds that differ leave the keeper rule no tie.
    ranked = [
        one.model_copy(update={"lineage": one.lineage.model_copy(update={"round": number})})
        for number, one in enumerate(rows)
    ]
    shuffled = draw.sample(ranked, len(ranked))
    assert set(kept_ids(shuffled)) == set(kept_ids(ranked))


@settings(max_examples=75, deadline=None)
@given(st.lists(texts, max_size=12), st.integers(1, 5), st.sampled_from([0.25, 0.6, 1.0]))
def test_the_inverted_index_finds_exactly_the_similar_pairs(
    drawn: list[str], length: int, similarity: float
) -> None:
    prepared = [Comparable.of(text) for text in drawn]
    found = {
        (int(right), int(left))
        for lefts, rights in similar_pairs(Corpus.of(prepared, length), similarity, lambda steps: None)
        for left, right in zip(lefts, rights, strict=True)
    }

    def grams(text: Comparable) -> set[str]:
        folded = text.folded
        return {folded[place : place + length] for place in range(max(1, len(folded) - length + 1))}

    expected = {
        (one, other)
        for other in range(len(prepared))
        for one in range(other)
        if prepared[one].parts == prepared[other].parts
        and len(grams(prepared[one]) & grams(prepared[other]))
        >= similarity * len(grams(prepared[one]) | grams(prepared[other])) - 1e-9
    }
    assert found == expected
