"""The score table: its numbers on LogicKor's stored judgements, its intervals, and missing scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gukbap.benchmarks.evaluated import read_evaluated
from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES, Judgement, Strategy, Subject
from gukbap.stages.scores import ScoreTable, compare, paired_difference, score_table
from tests.judgements import ENGLISH, KOREAN, judgement

EVALUATED = Path(__file__).parents[3] / "shared/data/logickor/evaluated"
GUKBAP, BASE = "HumanF-MarkrAI/Gukbap-Mistral-7B", "mistralai/mistral-7b-instruct-v0.2"
needs_logickor = pytest.mark.skipif(
    not EVALUATED.exists(), reason="LogicKor's stored judgements are not beside the checkout"
)


def stored(model: str, strategy: Strategy, subject: Subject) -> list[Judgement]:
    """LogicKor's stored judgements of a model."""
    return read_evaluated(EVALUATED / model / f"{strategy}.jsonl", subject)


@needs_logickor
@pytest.mark.parametrize(
    ("strategy", "cells", "single", "multi", "overall"),
    [
        ("default", [4.43, 3.00, 9.36, 7.43, 8.21, 3.93], 6.40, 5.71, 6.06),
        ("1-shot", [5.50, 4.50, 8.50, 8.29, 8.29, 4.50], 7.31, 5.88, 6.60),
        ("cot-1-shot", [5.50, 2.57, 8.57, 8.57, 7.79, 3.57], 6.69, 5.50, 6.10),
    ],
)
def test_published_table_comes_out_of_the_stored_judgements(
    strategy: Strategy, cells: list[float], single: float, multi: float, overall: float
) -> None:
    (row,) = score_table(stored(GUKBAP, strategy, "tuned")).rows
    assert [round(row.categories[category] or -1, 2) for category in CATEGORIES] == cells
    assert row.single is not None and row.multi is not None and row.overall is not None
    assert (round(row.single, 2), round(row.multi, 2), round(row.overall, 2)) == (single, multi, overall)
    assert (row.questions, row.scored, row.coverage) == (42, 84, 1.0)


@needs_logickor
def test_interval_of_the_published_score_is_that_of_the_method_facts() -> None:
    (row,) = score_table(stored(GUKBAP, "default", "tuned")).rows
    assert row.interval is not None
    assert row.interval.low == pytest.approx(4.95, abs=0.08)
    assert row.interval.high == pytest.approx(7.14, abs=0.08)


@needs_logickor
def test_paired_differences_are_those_of_the_method_facts() -> None:
    tuned, base = stored(GUKBAP, "default", "tuned"), stored(BASE, "default", "base")
    (difference,) = paired_difference(tuned, base)
    assert difference.difference == pytest.approx(2.14, abs=0.005)
    assert difference.interval is not None and difference.significant
    assert difference.interval.low == pytest.approx(1.11, abs=0.08)
    assert difference.interval.high == pytest.approx(3.26, abs=0.08)
    shots = compare(stored(GUKBAP, "1-shot", "tuned"), tuned)
    assert shots.difference == pytest.approx(0.54, abs=0.005)
    assert not shots.significant


def test_unscored_turn_lowers_coverage_and_no_score() -> None:
    whole = [judgement(q, t, 8.0) for q in range(12) for t in (1, 2)]
    holed = [
        *(j for j in whole if (j.question_id, j.turn) not in {(0, 1), (5, 2)}),
        judgement(0, 1, None),
        judgement(5, 2, None),
    ]
    (row,) = score_table(holed).rows
    assert (row.single, row.multi, row.overall) == (8.0, 8.0, 8.0)
    assert (row.judgements, row.scored, row.unscored) == (24, 22, 2)
    assert row.coverage == pytest.approx(22 / 24)


def test_cells_and_overall_are_none_where_nothing_was_scored() -> None:
    judgements = [judgement(q, t, None if t == 2 or q == 3 else 6.0) for q in range(6) for t in (1, 2)]
    (row,) = score_table(judgements).rows
    assert (row.single, row.multi, row.overall, row.interval) == (6.0, None, None, None)
    assert row.categories[CATEGORIES[3]] is None
    assert row.categories[CATEGORIES[2]] == 6.0


def test_overall_weighs_the_turns_alike_however_many_are_scored() -> None:
    judgements = [judgement(q, 1, 10.0) for q in range(6)] + [judgement(0, 2, 4.0)]
    (row,) = score_table(judgements).rows
    assert row.overall == 7.0
    assert row.interval is None


def test_interval_is_seeded_and_holds_the_mean() -> None:
    judgements = [judgement(q, t, float((q * 7 + t * 3) % 11)) for q in range(20) for t in (1, 2)]
    first, again, other = (score_table(judgements, seed=seed).rows[0] for seed in (1, 1, 2))
    assert first == again
    assert first.interval != other.interval
    assert first.interval is not None and first.overall is not None
    assert first.interval.low < first.overall < first.interval.high


def test_interval_takes_the_question_for_the_cluster() -> None:
    """Two turns that always agree carry no more than one: independent turns give a narrower interval."""
    scores = [float(q % 11) for q in range(40)]
    agreeing = [judgement(q, t, scores[q]) for q in range(40) for t in (1, 2)]
    opposed = [judgement(q, t, scores[q] if t == 1 else 10 - scores[q]) for q in range(40) for t in (1, 2)]

    def width(judgements: Sequence[Judgement]) -> float:
        interval = score_table(judgements).rows[0].interval
        assert interval is not None
        return interval.high - interval.low

    # Scores 0…10 and their complements: the sum of a question's turns is always 10.
    assert width(opposed) == pytest.approx(0.0, abs=1e-9)
    assert width(agreeing) > 1.5


def test_shares_of_stopped_and_of_korean_answers() -> None:
    judgements = [
        judgement(q, t, 5.0, stopped=t == 1, answer=ENGLISH if q == 0 else KOREAN)
        for q in range(4)
        for t in (1, 2)
    ]
    (row,) = score_table(judgements).rows
    assert (row.stopped_share, row.language_compliance) == (0.5, 0.75)


def test_rows_are_ordered_and_found_and_survive_json() -> None:
    keys: list[tuple[Subject, Strategy]] = [("tuned", "1-shot"), ("base", "cot-1-shot"), ("tuned", "default")]
    table = score_table([judgement(q, t, 5.0, *key) for key in keys for q in (1, 2) for t in (1, 2)])
    assert [(row.subject, row.strategy) for row in table.rows] == [keys[1], keys[2], keys[0]]
    assert table.row("tuned", "1-shot") is table.rows[2]
    assert table.row("base", "default") is None
    assert ScoreTable.model_validate_json(table.model_dump_json()) == table


def test_paired_difference_uses_only_what_both_have() -> None:
    base = [judgement(q, t, 4.0, "base") for q in range(8) for t in (1, 2)]
    tuned = [judgement(q, t, 6.0 if q else None) for q in range(10) for t in (1, 2)]
    other = [judgement(q, t, 6.0, strategy="1-shot") for q in range(8) for t in (1, 2)]
    (difference,) = paired_difference([*tuned, *other], base)
    assert (difference.strategy, difference.difference, difference.questions) == ("default", 2.0, 7)
    assert (difference.pairs, difference.judged_pairs) == (14, 16)
    assert difference.interval is not None and difference.interval.low == difference.interval.high == 2.0


def test_nothing_scored_in_both_is_no_difference() -> None:
    base = [judgement(q, t, None, "base") for q in range(3) for t in (1, 2)]
    tuned = [judgement(q, t, 6.0) for q in range(3) for t in (1, 2)]
    (difference,) = paired_difference(tuned, base)
    assert (difference.difference, difference.interval, difference.pairs) == (None, None, 0)
    assert not difference.significant


def test_mixed_judges_and_doubled_turns_are_refused() -> None:
    with pytest.raises(InputError, match="scores of a and b together"):
        score_table([judgement(1, 1, 5.0, judge="a"), judgement(1, 2, 5.0, judge="b")])
    with pytest.raises(InputError, match="question 1, turn 2 is judged twice"):
        score_table([judgement(1, 2, 5.0), judgement(1, 2, 5.0)])
    with pytest.raises(InputError, match="two judges: a and b"):
        paired_difference([judgement(1, 1, 5.0, judge="a")], [judgement(1, 1, 5.0, "base", judge="b")])


def test_empty_input_gives_an_empty_table() -> None:
    assert score_table([]).rows == []
