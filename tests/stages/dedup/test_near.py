"""Which row of near-duplicates stays."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.korean_rows import row
from gukbap.schemas import Message, Row
from gukbap.stages.dedup import near
from tests.lineages import lineage
from tests.stages.dedup.rows import (
    BASE,
    LONG,
    WORDINGS,
    configured,
    dedup,
    families,
    greedy_ids,
    kept_ids,
    of_texts,
)

ENDING = BASE.replace("써 주세요", "써 줘")


def test_a_removed_row_names_its_keeper_the_scores_and_the_reason() -> None:
    [removed] = dedup([row("a", BASE, "긴 답입니다"), row("b", ENDING, "답")]).removed
    assert (removed.row.id, removed.keeper_id, removed.reason) == ("b", "a", "near-duplicate instruction")
    assert 0.8 < removed.similarity < 1
    assert 0.84 <= removed.edit_similarity < 1


def test_a_short_request_in_other_words_goes_where_few_shingles_are_shared() -> None:
    rows = of_texts(*(one.format("제주", "날씨") for one in WORDINGS), WORDINGS[0].format("제주", "물가"))
    found = dedup(rows)
    assert len(found.kept) == 2 and found.kept[-1].id == "r4"
    assert min(removed.similarity for removed in found.removed) < 0.2
    assert {removed.reason for removed in found.removed} == {"near-duplicate instruction"}


@pytest.mark.parametrize(
    ("keep", "best"), [("complexity", "evolved"), ("length", "long"), ("earliest", "plain")]
)
def test_the_rule_says_which_row_stays(keep: str, best: str) -> None:
    rows = [
        row("evolved", BASE, "답", rounds=2),
        row("long", ENDING, "긴 답입니다", rounds=1),
        row("plain", BASE.replace(" ", ""), "밥"),
    ]
    assert kept_ids(rows, keep=keep) == [best]


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"responses": "same"}, ["a", "c"]),
        ({"responses": "off"}, ["a", "b", "c"]),
        ({"responses": "near"}, ["a"]),
        ({"responses": "near", "min_response_chars": 100}, ["a", "b", "c"]),
    ],
)
def test_responses_are_weighed_as_the_settings_say(settings: dict[str, object], kept: list[str]) -> None:
    rows = [
        row("a", "하늘은 왜 파란가요?", LONG, rounds=2),
        row("b", "고양이를 기르려면 무엇이 필요할까요?", LONG.replace(" ", "  "), rounds=1),
        row("c", "문학 작품을 하나 추천해 주세요.", LONG.replace("봅니다", "보아요")),
    ]
    assert kept_ids(rows, **settings) == kept


def test_instructions_are_weighed_as_the_settings_say() -> None:
    rows = [row("a", BASE, "가"), row("b", ENDING, "나"), row("c", BASE.replace(" ", ""), "다")]
    assert len(kept_ids(rows, instructions="near")) == 1
    assert len(kept_ids(rows, instructions="same")) == 2
    assert len(kept_ids(rows, instructions="off")) == 3


def test_a_row_that_is_only_alike_a_removed_one_stays() -> None:
    words = str.split(
        "달빛 고양이 책갈피 우체부 솜사탕 나침반 빗소리 골목길 다람쥐 종이배 풍차 도자기 항구 눈사람 "
        "벽시계 호숫가 딸기잼 기차역 등대지기 바람개비 수박씨 오솔길"
    )
    texts = [" ".join(words[start : start + 18]) for start in (0, 2, 4)]
    rows = [row(f"r{n}", text, "답", rounds=3 - n) for n, text in enumerate(texts)]
    loose = {
        "similarity": 0.7,
        "jaccard": 0.3,
        "words_a_noun": 1,
        "words_a_change": 1,
        "rearranged_similarity": 1,
    }
    loose["rearranged_similarity"] = 1
    assert kept_ids(rows[:2], **loose) == ["r0"]
    assert kept_ids(rows[1:], **loose) == ["r1"]
    assert kept_ids(rows, **loose) == ["r0", "r2"]


def test_nothing_in_nothing_out() -> None:
    result = dedup([])
    assert (result.kept, result.removed, result.statistics["rows"]) == ([], [], 0)


def test_what_comes_out_is_what_comparing_every_pair_gives() -> None:
    rows = families(250, seed=2)
    ranked = [one.model_copy(update={"lineage": lineage(round=len(rows) - n)}) for n, one in enumerate(rows)]
    expected = greedy_ids(ranked, configured().dedup)
    assert 240 < len(expected) < 300
    found = set(kept_ids(ranked))
    assert expected <= found
    assert len(found - expected) <= 5


def test_crowded_buckets_lose_little() -> None:
    rows = families(250, seed=3)
    wide = set(kept_ids(rows, bucket_rows=500))
    narrow = dedup(rows, bucket_rows=4)
    assert len(wide ^ {one.id for one in narrow.kept}) <= 0.03 * len(rows)
    assert dedup(narrow.kept, bucket_rows=4).removed == []


@pytest.mark.parametrize("chunk", [1, 7, 4000])
def test_order_and_chunks_decide_nothing(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = families(60, seed=4)
    expected = dedup(rows, bucket_rows=3)
    monkeypatch.setattr(near, "CHUNK_ROWS", chunk)
    for seed in range(3):
        shuffled = dedup(random.Random(seed).sample(rows, len(rows)), bucket_rows=3)
        assert sorted(one.id for one in shuffled.kept) == sorted(one.id for one in expected.kept)
        assert {e.row.id: e for e in shuffled.removed} == {e.row.id: e for e in expected.removed}


def test_edge_rows_are_kept_or_removed_and_never_lost() -> None:
    texts = [
        "",
        " ",
        "가",
        "가나",
        "네",
        "예",
        "😀",
        "😀😀",
        "👨‍👩‍👧",
        "\0",
        "가\0나",
        "\u200b",
        "!!!",
        "???",
    ]
    texts += ["\ud800", "\ud800가나다", "\udfff", "مرحبا بالعالم", "שלום עולם", "\u202e거꾸로"]
    texts += ["한글 and English و العربية 中文 かな", "가" * 350_000, "가나다 " * 90_000]
    texts += ["열 번도 더 나온 글"] * 10_000 + [str(number) for number in range(50)]
    # A record refuses a lone surrogate when it is read; built in memory it may still hold one.
    rows = [
        Row.model_construct(
            id=f"r{number}",
            category="writing",
            messages=[
                Message.model_construct(role="user", content=text),
                Message.model_construct(role="assistant", content="\udfff"),
            ],
            lineage=lineage(),
        )
        for number, text in enumerate(texts)
    ]
    result = dedup(rows)
    gone = [one.row.id for one in result.removed]
    assert sorted(one.id for one in result.kept) + sorted(gone) == sorted(
        (one.id for one in rows), key=lambda name: (name in gone, name)
    )
    kept = [one.instruction for one in result.kept]
    for alone in ("가", "네", "예", "😀", "😀😀", "!!!", "???", "مرحبا بالعالم"):
        assert kept.count(alone) == 1
    assert sum(text in ("가나", "가\0나") for text in kept) == 1
    assert kept.count("열 번도 더 나온 글") == 1
    assert {str(n) for n in range(50)} <= set(kept)


def test_statistics_count_what_happened() -> None:
    rows = [*of_texts(BASE, ENDING, BASE + "!", "다른 과제"), row("x", "또 다른 과제", "답")]
    statistics = dedup(rows).statistics
    assert (statistics["rows"], statistics["kept"], statistics["removed"]) == (5, 3, 2)
    assert (statistics["clusters"], statistics["largest_cluster"]) == (1, 3)
    assert sum(statistics["removed_by_reason"].values()) == 2
    assert statistics["removed_by_category"] == {"writing": 2}
    [cluster] = statistics["cluster_sample"]
    assert {entry["text"] for entry in cluster["removed"]} | {cluster["kept"]} >= {ENDING.lower()}


# Few syllables, digits and signs, so that many pairs are near each other.
texts = st.text(alphabet="가나다라 마바1 2.,-A\U0001f600", max_size=24)
row_lists = st.lists(
    st.tuples(texts, st.sampled_from(["답", "긴 답", LONG, LONG + "1"]), st.integers(0, 2)), max_size=14
).map(lambda drawn: [row(f"r{n}", text, answer, rounds=r) for n, (text, answer, r) in enumerate(drawn)])


@settings(max_examples=100, deadline=None)
@given(row_lists, st.randoms(use_true_random=False))
def test_a_second_pass_in_any_order_removes_nothing(rows: list[Row], draw: random.Random) -> None:
    once = dedup(rows, responses="near")
    assert sorted([r.id for r in once.kept] + [e.row.id for e in once.removed]) == sorted(r.id for r in rows)
    twice = dedup(draw.sample(once.kept, len(once.kept)), responses="near")
    assert twice.removed == []
