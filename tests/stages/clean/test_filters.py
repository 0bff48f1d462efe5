"""Each quality filter on labelled rows: it finds what it is for, and lets good rows pass."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bench.decontamination import questions
from bench.korean_rows import row
from gukbap.config import CleanConfig
from gukbap.stages.clean.filters import build_filters
from gukbap.stages.clean.personal import personal_data
from tests.stages.clean import cases
from tests.stages.clean.cases import Pair

#: questions of the own pack with their references: what every filter must let pass
GOOD: list[Pair] = [
    (asked, told)
    for one in questions("own")
    for asked, told in zip(one.questions, one.references, strict=True)
    if told
]
EVERYTHING = CleanConfig(
    personal_data=["resident_number", "card", "phone", "email", "account"], min_hangul_share=0.35
)


def _found(reason: str, pair: Pair, config: CleanConfig = EVERYTHING) -> str | None:
    check = dict(build_filters(config))[reason]
    return check(row("r", *pair))


@pytest.mark.parametrize(
    ("reason", "bad", "good"),
    [
        ("language", cases.LANGUAGE, cases.NOT_LANGUAGE),
        ("repetition", cases.REPETITION, cases.NOT_REPETITION),
        ("refusal", cases.REFUSAL, cases.NOT_REFUSAL),
        ("truncation", cases.TRUNCATION, cases.NOT_TRUNCATION),
        ("markup", cases.MARKUP, cases.NOT_MARKUP),
    ],
)
def test_a_filter_finds_what_it_is_for_and_nothing_else(
    reason: str, bad: Sequence[Pair], good: Sequence[Pair]
) -> None:
    assert len(bad) >= 20 and len(good) + len(GOOD) >= 20
    missed = [pair for pair in bad if not _found(reason, pair)]
    wrong = [(pair, found) for pair in [*good, *GOOD] if (found := _found(reason, pair))]
    assert (missed, wrong) == ([], [])


@pytest.mark.parametrize(
    ("kind", "real", "made_up"),
    [
        ("resident_number", cases.RESIDENT_NUMBER, cases.NOT_RESIDENT_NUMBER),
        ("card", cases.CARD, cases.NOT_CARD),
        ("phone", cases.PHONE, cases.NOT_PHONE),
        ("email", cases.EMAIL, cases.NOT_EMAIL),
        ("account", cases.ACCOUNT, cases.NOT_ACCOUNT),
    ],
)
def test_personal_data_are_told_from_examples(kind: str, real: Sequence[str], made_up: Sequence[str]) -> None:
    check = dict(build_filters(EVERYTHING))[f"personal_{kind}"]
    missed = [text for text in real if not check(row("r", "질문입니다.", text))]
    wrong = [text for text in made_up if check(row("r", text, "답입니다."))]
    wrong += [told for asked, told in GOOD if check(row("r", asked, told))]
    assert (missed, wrong) == ([], [])


def test_a_detail_does_not_repeat_the_personal_data() -> None:
    assert personal_data("제 번호는 010-9387-2416입니다.", "phone") == "01•-••••-••••"
