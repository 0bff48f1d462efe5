"""Which single answers a report points at."""

from __future__ import annotations

from gukbap.schemas import CATEGORIES
from gukbap.stages.report.findings import FLIPS, against_language, counted, examples, flips, wavering
from tests.judgements import ENGLISH, judgement


def test_a_score_for_an_answer_that_is_not_korean_is_doubted() -> None:
    judged = [
        judgement(0, 1, 4.0, answer=ENGLISH),
        judgement(0, 2, 9.0, answer=ENGLISH),
        judgement(1, 1, 0.0, answer=ENGLISH),
        judgement(2, 1, 9.0),
        judgement(3, 1, None, answer=ENGLISH),
    ]
    found = against_language(judged)
    assert [(one.question_id, one.turn) for one in found] == [(0, 2), (0, 1)]
    assert found[0].place == "tuned default, question 0, turn 2"
    assert found[0].said.startswith("scored 9 although the answer is not Korean")
    assert counted(found) == {"tuned default": 2}


def test_verdicts_three_points_apart_are_told_widest_first() -> None:
    judged = [
        *(judgement(0, 1, score, sample=number) for number, score in enumerate((5.0, 7.5), start=1)),
        *(judgement(1, 1, score, sample=number) for number, score in enumerate((5.0, 8.0), start=1)),
        *(judgement(2, 2, score, sample=number) for number, score in enumerate((9.0, None, 1.0), start=1)),
        judgement(3, 1, 0.0),
        judgement(3, 2, 10.0),
    ]
    found = wavering(judged[::-1])
    assert [(one.question_id, one.said) for one in found] == [
        (2, "verdicts on one answer: 9, 1"),
        (1, "verdicts on one answer: 5, 8"),
    ]


def test_flips_are_the_largest_differences_of_means() -> None:
    tuned = [judgement(number, 1, float(number % 9)) for number in range(12)]
    tuned += [judgement(20, 1, 10.0), judgement(20, 1, 4.0, sample=2), judgement(30, 1, None)]
    base = [judgement(number, 1, 4.0, "base") for number in range(12)]
    base += [judgement(20, 1, 0.0, "base"), judgement(30, 1, 9.0, "base"), judgement(31, 1, 9.0, "base")]
    found = flips(tuned, base)
    assert len(found) == FLIPS
    assert (found[0].question_id, found[0].said) == (20, "+7.0: tuned 7, base 0")
    assert [one.said[:4] for one in found[1:3]] == ["-4.0", "+4.0"]
    assert flips(tuned, []) == []


def test_examples_are_the_best_and_the_worst_of_each_category() -> None:
    judged = [
        judgement(0, 1, 5.0),
        judgement(0, 2, 9.0, sample=1),
        judgement(0, 2, 6.0, sample=2),
        judgement(6, 1, 7.5),
        judgement(6, 2, None),
        judgement(1, 1, 3.0),
        judgement(2, 1, None),
    ]
    found = [(one.category, one.which, one.judgement.slot, one.score) for one in examples(judged)]
    assert found == [
        (CATEGORIES[0], "highest", (0, 2), 7.5),
        (CATEGORIES[0], "lowest", (0, 1), 5.0),
        (CATEGORIES[1], "highest", (1, 1), 3.0),
    ]
    assert examples([]) == []
