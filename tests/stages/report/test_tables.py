"""Tables of text: alignment with Korean, rounding, sentences."""

from __future__ import annotations

import pytest

from gukbap.stages.report import text_table
from gukbap.stages.report.tables import (
    aligned,
    difference_sentence,
    display_width,
    interval_text,
    percent,
    points,
)
from gukbap.stages.scores import Comparison, Interval, Verdict, score_table
from tests.stages.report import samples


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("abc", 3), ("추론", 4), ("Ａ", 2), ("e\u0301", 1), ("–", 1), ("국a밥", 5)]
)
def test_korean_takes_two_columns(text: str, width: int) -> None:
    assert display_width(text) == width


def test_columns_end_at_the_same_place() -> None:
    lines = aligned(["이름", "b", "수학"], [["base", "default", "4.43"], ["국밥집", "x", "10.00"]]).split(
        "\n"
    )
    assert len({display_width(line) for line in lines}) == 1
    assert [line.rsplit(" ", 1)[1] for line in lines] == ["수학", "4.43", "10.00"]
    assert lines[1].startswith("base    default")


def test_the_table_for_a_terminal() -> None:
    lines = text_table(score_table(samples.judgements())).split("\n")
    assert len(lines) == 7
    assert lines[0].split()[:9] == [
        "subject",
        "strategy",
        "추론",
        "수학",
        "글쓰기",
        "코딩",
        "이해",
        "문법",
        "single",
    ]
    assert len({display_width(line) for line in lines}) == 1
    assert [line.split()[:2] for line in lines[1:3]] == [["base", "default"], ["base", "1-shot"]]


def test_an_empty_table_is_its_header() -> None:
    assert text_table(score_table([])).split("\n")[0].startswith("subject  strategy")


def test_nothing_scored_is_a_dash() -> None:
    assert points(None) == interval_text(None) == "–"
    assert points(0.0) == "0.00"


@pytest.mark.parametrize(("share", "text"), [(1.0, "100%"), (0.999, "99%"), (0.674, "67%"), (0.0, "0%")])
def test_only_all_is_a_hundred_per_cent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("difference", "interval", "verdict", "words"),
    [
        (
            0.54,
            Interval(low=-0.13, high=1.25),
            "cannot tell",
            "+0.54 [-0.13, +1.25] over 42 questions, permutation p = 0.020: chance could explain that",
        ),
        (2.14, Interval(low=1.11, high=3.26), "better", "tuned is better"),
        (-2.14, Interval(low=-3.26, high=-1.11), "worse", "tuned is worse"),
        (1.0, None, "cannot tell", "too few for an interval"),
        (None, None, "cannot tell", "nothing can be compared"),
    ],
)
def test_a_difference_is_put_into_words(
    difference: float | None, interval: Interval | None, verdict: Verdict, words: str
) -> None:
    sentence = difference_sentence(
        Comparison(
            a="tuned 1-shot",
            b="base 1-shot",
            strategy="1-shot",
            difference=difference,
            interval=interval,
            bootstrap_p=0.02,
            permutation_p=0.02,
            verdict=verdict,
            questions=42,
            pairs=84,
            judged_pairs=84,
        )
    )
    assert words in sentence
