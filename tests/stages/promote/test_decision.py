"""Promotion: verdicts by the paired interval, guard rails, and scores that cannot carry a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gukbap.config import PromoteConfig, PromoteSettings
from gukbap.schemas import CATEGORIES, Judgement, Subject, Teacher
from gukbap.stages.evaluation_identity import EvaluationIdentity
from gukbap.stages.promote import (
    MIN_COVERAGE,
    Check,
    Conditions,
    Contender,
    Decision,
    RunEvidence,
    decide,
    decision_text,
    run_evidence,
)
from tests.judgements import ENGLISH
from tests.stages.score_documents import judged

BETTER, WORSE, MIXED = [1.0, 2.0] * 6, [-1.0, -2.0] * 6, [2.0, -2.0] * 6
IDENTITY = EvaluationIdentity(
    questions_sha256="q", strategies_sha256={"default": "s", "1-shot": "t"}, rubric_sha256="r"
)
SOUND = Conditions(scripted=False, judge_is_teacher=False)
QWEN = Teacher(model="Qwen/Qwen2.5-72B-Instruct", licence="Apache-2.0")


def settings(*, scripted: bool = False, **promote: Any) -> PromoteSettings:
    config = PromoteConfig.model_validate(promote)
    return PromoteSettings(seed=1, registered_model="model", promote=config, scripted=scripted)


def of(judgements: Sequence[Judgement], subject: Subject, **values: Any) -> Contender:
    given = {"name": subject, "evaluation": IDENTITY, **values}
    return Contender(judgements=[one for one in judgements if one.subject == subject], **given)


def decided(
    judgements: Sequence[Judgement],
    chosen: PromoteSettings | None = None,
    *,
    evidence: RunEvidence | None = None,
    conditions: Conditions = SOUND,
) -> Decision:
    """Tuned against base."""
    tuned, base = of(judgements, "tuned"), of(judgements, "base")
    return decide(chosen or settings(), tuned, base, evidence or RunEvidence(), conditions)


def check(decision: Decision, name: str) -> Check:
    return next(one for one in decision.checks if one.name == name)


@pytest.mark.parametrize(
    ("gains", "min_gain", "verdict"),
    [
        (BETTER, 0.0, "promoted"),
        (MIXED, 0.0, "held"),
        (BETTER, 1.5, "held"),
        (BETTER, 3.0, "refused"),
        ([-0.1, -0.2] * 6, -3.0, "promoted"),
        ([-0.1, -0.2] * 6, 0.0, "refused"),
    ],
)
def test_the_verdict_follows_from_where_the_interval_lies(
    gains: list[float], min_gain: float, verdict: str
) -> None:
    decision = decided(judged(gains), settings(min_gain=min_gain))
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
    assert f"{min_gain:+.2f}" in decision.reasons[-1]


def test_a_gain_that_is_the_same_everywhere_is_held_at_its_own_value() -> None:
    decision = decided(judged([1.0] * 6), settings(min_gain=1.0))
    assert (decision.low, decision.high, decision.verdict) == (1.0, 1.0, "held")


@pytest.mark.parametrize(("by_scores", "by_settings"), [(True, False), (False, True)])
def test_a_scripted_run_is_refused_however_it_scores(by_scores: bool, by_settings: bool) -> None:
    conditions = Conditions(scripted=by_scores, judge_is_teacher=False)
    decision = decided(judged(BETTER), settings(scripted=by_settings), conditions=conditions)
    assert decision.verdict == "refused"
    assert "scripted" in decision.reasons[0]


@pytest.mark.parametrize("subject", ["base", "tuned"])
def test_one_subject_alone_is_refused(subject: Any) -> None:
    decision = decided(judged(BETTER, subjects=[subject]))
    assert decision.verdict == "refused"
    assert "not both judged" in decision.reasons[0]
    assert (decision.gain, decision.low, decision.high, decision.coverage) == (None, None, None, None)
    assert decision.questions == 0


@pytest.mark.parametrize(("unscored", "verdict"), [(2, "promoted"), (3, "refused"), (24, "refused")])
def test_scores_with_holes_are_refused(unscored: int, verdict: str) -> None:
    decision = decided(judged(BETTER, unscored=unscored))
    assert decision.coverage is not None
    assert decision.coverage == pytest.approx(1 - unscored / 24)
    assert decision.verdict == verdict
    assert (verdict == "refused") == (decision.coverage < MIN_COVERAGE)


def test_several_verdicts_on_a_turn_do_not_lower_the_coverage() -> None:
    several = [one.model_copy(update={"sample": sample}) for sample in (1, 2, 3) for one in judged(BETTER)]
    assert decided(several).coverage == 1.0


def test_one_question_is_too_few_to_tell() -> None:
    decision = decided(judged([4.0]))
    assert (decision.verdict, decision.gain, decision.low, decision.high) == ("held", 4.0, None, None)
    assert "too few" in decision.reasons[0]


def test_a_judge_that_is_the_teacher_is_said() -> None:
    conditions = Conditions(scripted=False, judge_is_teacher=True)
    assert "teacher" in decided(judged(BETTER), conditions=conditions).reasons[-1]


def against_champion(
    tuned: Contender, champion: Contender, chosen: PromoteSettings | None = None
) -> Decision:
    return decide(chosen or settings(), tuned, champion, RunEvidence(), SOUND, champion_version=3)


def test_a_champion_stands_where_the_base_stood() -> None:
    tuned = of(judged(BETTER), "tuned")
    champion = of(judged([0.5] * 12, subjects=["tuned"]), "tuned", name="champion (version 3)")
    decision = against_champion(tuned, champion)
    assert decision.verdict == "promoted"
    assert decision.gain == pytest.approx(1.0)
    assert (decision.against, decision.champion_version) == ("champion (version 3)", 3)
    assert against_champion(tuned, tuned).verdict == "held"


@pytest.mark.parametrize(
    ("champion", "named"),
    [
        (of(judged(BETTER, judge="another"), "tuned"), "the judge (another, now judge)"),
        (
            of(judged(BETTER), "tuned", evaluation=IDENTITY.model_copy(update={"questions_sha256": "p"})),
            "the questions",
        ),
        (
            of(judged(BETTER), "tuned", evaluation=IDENTITY.model_copy(update={"rubric_sha256": "p"})),
            "rubric",
        ),
        (
            of(
                judged(BETTER),
                "tuned",
                evaluation=IDENTITY.model_copy(update={"strategies_sha256": {"1-shot": "t"}}),
            ),
            "strategy default",
        ),
        (of(judged(BETTER), "tuned", evaluation=None), "does not state"),
        (of([], "tuned", name="champion (version 3)"), "gukbap promote"),
    ],
)
def test_scores_that_do_not_compare_are_held_with_what_to_do(champion: Contender, named: str) -> None:
    decision = against_champion(of(judged(WORSE), "tuned"), champion)
    assert decision.verdict == "held"
    assert named in decision.reasons[0]
    assert decision.gain is None


def test_other_few_shot_messages_of_another_strategy_do_not_matter() -> None:
    other = IDENTITY.model_copy(update={"strategies_sha256": {"default": "s", "1-shot": "u"}})
    tuned = of(judged(BETTER), "tuned")
    assert against_champion(tuned, of(judged(MIXED), "base", evaluation=other)).verdict == "promoted"


def test_answers_in_another_language_are_refused_however_they_score() -> None:
    english = [
        one.model_copy(update={"answer": ENGLISH}) if one.subject == "tuned" and one.question_id < 4 else one
        for one in judged(BETTER)
    ]
    decision = decided(english)
    assert decision.verdict == "refused"
    floor, drop = check(decision, "language compliance"), check(decision, "language drop")
    assert (floor.verdict, floor.limit, drop.verdict) == ("failed", 0.9, "failed")
    assert floor.value == pytest.approx(2 / 3)
    assert drop.value == pytest.approx(-1 / 3)
    assert decision.reasons[0].startswith("language compliance: 66.7%")
    allowed = decided(english, settings(min_language_compliance=0.5))
    assert check(allowed, "language compliance").verdict == "passed"
    assert allowed.verdict == "refused"


def test_a_category_that_is_significantly_worse_refuses_a_gain() -> None:
    """Eight questions in each category; five gain two points, grammar loses four in every question."""
    gains = [-4.0 if question % 6 == 5 else 3.0 for question in range(48)]
    decision = decided(judged(gains))
    found = check(decision, "categories")
    assert decision.gain is not None and decision.low is not None and decision.low > 0
    assert decision.verdict == "refused"
    assert (found.verdict, found.value) == ("failed", -4.0)
    assert CATEGORIES[5] in decision.reasons[0]


@pytest.mark.parametrize(
    ("loss", "base", "verdict"),
    [
        (1.2, 1.5, "passed"),
        (1.5, 1.5, "passed"),
        (1.6, 1.5, "failed"),
        (float("nan"), 1.5, "failed"),
        (None, 1.5, "not known"),
        (1.2, None, "not known"),
    ],
)
def test_the_validation_loss_must_be_finite_and_no_worse(
    loss: float | None, base: float | None, verdict: str
) -> None:
    evidence = run_evidence({"train": {"validation_loss": loss, "base_loss": base}}, None, None)
    decision = decided(judged(BETTER), evidence=evidence)
    assert check(decision, "validation loss").verdict == verdict
    assert decision.verdict == ("refused" if verdict == "failed" else "promoted")


@pytest.mark.parametrize(
    ("teachers", "verdict", "share"),
    [
        ([(QWEN, None, 30)], "passed", 1.0),
        ([(QWEN, "api.openai.com", 10), (QWEN, "own:8000", 30)], "failed", 0.75),
        ([(QWEN.model_copy(update={"licence": "unknown"}), None, 5), (QWEN, None, 5)], "failed", 0.5),
        (None, "not known", None),
    ],
)
def test_every_training_row_must_come_from_an_open_model(
    teachers: Any, verdict: str, share: float | None
) -> None:
    found = check(decided(judged(BETTER), evidence=run_evidence({}, teachers, None)), "licences")
    assert (found.verdict, found.value) == (verdict, share)


def test_what_is_not_known_blocks_where_the_recipe_says_so() -> None:
    assert decided(judged(BETTER)).verdict == "promoted"
    blocked = decided(judged(BETTER), settings(unknown_blocks=True))
    assert blocked.verdict == "held"
    assert "contamination" in blocked.reasons[0]
    assert decided(judged([-0.1, -0.2] * 6), settings(unknown_blocks=True)).verdict == "refused"


def test_the_record_tells_every_number() -> None:
    decision = decided(judged(BETTER))
    text = decision_text(decision, "gukbap-local version 4")
    assert text.startswith("# gukbap-local version 4: promoted\n")
    assert f"[{decision.low:+.2f}, {decision.high:+.2f}]" in text
    for one in decision.checks:
        assert f"| {one.name} | {one.verdict} | {one.detail} |" in text


@pytest.mark.parametrize(
    ("cleaning", "verdict"),
    [
        ({"evaluation_texts": 168, "leaks": 2, "rows": 900}, "passed"),
        ({"evaluation_texts": 0, "leaks": 0, "rows": 900}, "not known"),
        ({}, "not known"),
    ],
)
def test_contamination_is_known_where_rows_were_searched(cleaning: dict[str, Any], verdict: str) -> None:
    evidence = run_evidence({"clean": cleaning}, None, None)
    assert check(decided(judged(BETTER), evidence=evidence), "contamination").verdict == verdict
