"""Promotion: verdicts by the paired interval, and scores that cannot carry one."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.config import PromoteConfig, PromoteSettings
from gukbap.errors import InputError
from gukbap.schemas import Strategy
from gukbap.stages.promote import MIN_COVERAGE, decide
from tests.stages.score_documents import document

BETTER, WORSE, MIXED = [1.0, 2.0] * 6, [-1.0, -2.0] * 6, [2.0, -2.0] * 6


def settings(
    *, min_gain: float = 0.0, strategy: Strategy = "default", scripted: bool = False
) -> PromoteSettings:
    promote = PromoteConfig(min_gain=min_gain, strategy=strategy)
    return PromoteSettings(seed=1, registered_model="model", promote=promote, scripted=scripted)


@pytest.mark.parametrize(
    ("gains", "min_gain", "verdict"),
    [
        (BETTER, 0.0, "promoted"),
        (MIXED, 0.0, "held"),
        (WORSE, 0.0, "refused"),
        (BETTER, 1.5, "held"),
        (BETTER, 3.0, "refused"),
        (WORSE, -3.0, "promoted"),
    ],
)
def test_the_verdict_follows_from_where_the_interval_lies(
    gains: list[float], min_gain: float, verdict: str
) -> None:
    decision = decide(settings(min_gain=min_gain), document(gains))
    assert decision.low is not None
    assert decision.high is not None
    assert decision.gain == pytest.approx(sum(gains) / len(gains))
    assert {
        "promoted": decision.low > min_gain,
        "held": decision.low <= min_gain <= decision.high,
        "refused": decision.high < min_gain,
    }[verdict]
    assert decision.verdict == verdict
    assert (decision.threshold, decision.questions, decision.coverage) == (min_gain, 12, 1.0)
    assert f"{min_gain:+.2f}" in decision.reasons[0]


@pytest.mark.parametrize("edge", ["low", "high"])
def test_an_interval_that_touches_the_threshold_contains_it(edge: str) -> None:
    scores = document(BETTER)
    (difference,) = scores["differences"]
    assert decide(settings(min_gain=difference["interval"][edge]), scores).verdict == "held"


def test_a_gain_that_is_the_same_everywhere_is_held_at_its_own_value() -> None:
    decision = decide(settings(min_gain=1.0), document([1.0] * 6))
    assert (decision.low, decision.high, decision.verdict) == (1.0, 1.0, "held")


@pytest.mark.parametrize(("by_recipe", "by_settings"), [(True, False), (False, True)])
def test_a_scripted_run_is_refused_however_it_scores(by_recipe: bool, by_settings: bool) -> None:
    scores = document(BETTER, recipe="smoke" if by_recipe else "local")
    assert scores["scripted"] is by_recipe
    decision = decide(settings(scripted=by_settings), scores)
    assert decision.verdict == "refused"
    assert "scripted" in decision.reasons[0]


@pytest.mark.parametrize("subject", ["base", "tuned"])
def test_one_subject_alone_is_refused(subject: Any) -> None:
    decision = decide(settings(), document(BETTER, subjects=[subject]))
    assert decision.verdict == "refused"
    assert "not both judged" in decision.reasons[0]
    assert (decision.gain, decision.low, decision.high, decision.coverage) == (None, None, None, None)
    assert decision.questions == 0


def test_another_strategy_says_nothing() -> None:
    decision = decide(settings(strategy="cot-1-shot"), document(BETTER))
    assert decision.verdict == "refused"
    assert "cot-1-shot" in decision.reasons[0]


@pytest.mark.parametrize(("unscored", "verdict"), [(2, "promoted"), (3, "refused"), (24, "refused")])
def test_scores_with_holes_are_refused(unscored: int, verdict: str) -> None:
    decision = decide(settings(), document(BETTER, unscored=unscored))
    assert decision.coverage is not None
    assert decision.coverage == pytest.approx(1 - unscored / 24)
    assert decision.verdict == verdict
    assert (verdict == "refused") == (decision.coverage < MIN_COVERAGE)


def test_one_question_is_too_few_to_tell() -> None:
    decision = decide(settings(), document([4.0]))
    assert (decision.verdict, decision.gain, decision.low, decision.high) == ("held", 4.0, None, None)
    assert "too few" in decision.reasons[0]


def test_a_judge_that_is_the_teacher_is_said() -> None:
    assert "teacher" in decide(settings(), document(BETTER)).reasons[1]
    apart = {**document(BETTER), "judge_is_teacher": False}
    assert len(decide(settings(), apart).reasons) == 1


@pytest.mark.parametrize(
    ("scores", "named"),
    [
        ({}, "scripted"),
        ({**document(MIXED), "table": []}, "table"),
        ({**document(MIXED), "table": {}}, "table.rows"),
    ],
)
def test_what_is_no_scores_document_is_one_clear_error(scores: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=r"scores\.json") as caught:
        decide(settings(), scores)
    assert caught.value.problem.startswith(f"scores: {named}: ")
