"""Drift between two runs: step changes are flagged, and nothing else is."""

from __future__ import annotations

import pytest

from gukbap.config import HealthConfig
from gukbap.stages.health import Drift, Health, health, judge_drift
from tests.judgements import judgement

BEFORE = {
    "score.default": 6.0,
    "overall.tuned.default": 6.0,
    "data.train_rows": 1000.0,
    "data.kept_share": 0.8,
    "drop.no_change": 0.05,
    "train.validation_loss": 0.6,
    "train.seconds": 100.0,
    "coverage.tuned.default": 1.0,
    "judge.cost": 2.0,
}


def flagged(**changes: float | None) -> list[str]:
    """Names of what is flagged where some numbers changed; None: the number was not taken."""
    given = {**BEFORE, **{name.replace("__", "."): value for name, value in changes.items()}}
    now = {name: value for name, value in given.items() if value is not None}
    return [one.name for one in health(HealthConfig(), "last", BEFORE, now).flagged]


def test_runs_that_are_alike_are_steady() -> None:
    assert flagged() == []
    found = health(HealthConfig(), "last", BEFORE, BEFORE)
    names = {one.name for one in found.drifts}
    assert names == BEFORE.keys() - {"overall.tuned.default", "train.seconds"}


@pytest.mark.parametrize(
    ("name", "within", "beyond"),
    [
        ("score__default", 5.1, 4.9),
        ("data__train_rows", 1490.0, 1510.0),
        ("data__train_rows", 510.0, 490.0),
        ("data__kept_share", 0.71, 0.69),
        ("train__validation_loss", 0.89, 0.91),
        ("coverage__tuned__default", 0.91, 0.89),
        ("judge__cost", 2.9, 3.1),
        ("drop__no_change", 0.14, 0.16),
        ("drop__a_new_reason", 0.09, 0.11),
    ],
)
def test_a_step_change_is_flagged(name: str, within: float, beyond: float) -> None:
    assert flagged(**{name: within}) == []
    assert flagged(**{name: beyond}) == [name.replace("__", ".")]


def test_a_number_that_is_taken_no_longer_is_flagged_and_a_new_one_is_not() -> None:
    assert flagged(judge__cost=None) == ["judge.cost"]
    assert flagged(teacher__cost=5.0) == []
    assert flagged(drop__no_change=None) == []


def test_generation_is_compared_by_seed() -> None:
    grown = {"data.seeds": 100.0, "data.generated": 1000.0, "teacher.calls": 2000.0, "drop.echo": 0.5}

    def names(**changes: float) -> list[str]:
        now = {**grown, **{name.replace("__", "."): value for name, value in changes.items()}}
        return [one.name for one in health(HealthConfig(), "last", grown, now).flagged]

    few = {"data__seeds": 10.0, "data__generated": 100.0}
    assert names(**few, teacher__calls=200.0) == []
    assert names(**few, teacher__calls=500.0) == ["teacher.calls"]
    assert names(data__seeds=0.0, data__generated=0.0, teacher__calls=0.0, drop__echo=0.0) == []


def test_judge_drift_is_the_mean_change_of_the_same_answers() -> None:
    then = [judgement(question, turn, 5.0) for question in range(4) for turn in (1, 2)]
    now = [one.model_copy(update={"score": 5.75}) for one in then]
    unscored = now[0].model_copy(update={"score": None, "unscored_reason": "no score"})
    found = judge_drift(HealthConfig(), then, [unscored, *now[1:]])
    assert found is not None
    assert (found.before, found.now, found.flagged) == (5.0, 5.75, True)
    assert judge_drift(HealthConfig(judge_step=1.0), then, now) == Drift(
        name="judge drift", kind="judge", before=5.0, now=5.75, limit=1.0, flagged=False
    )
    assert judge_drift(HealthConfig(), then, []) is None


def test_the_report_gets_a_section() -> None:
    from gukbap.stages.report import with_health

    page, text = "<html><body>\n<main>\n</main>\n</body>\n</html>\n", "# Report\n"
    changed = Drift(name="score.<b>", kind="score", before=6.0, now=4.5, limit=1.0, flagged=True)
    html, markdown = with_health(page, text, Health(last="run 7", drifts=[changed]))
    assert "1 of 1 numbers changed by a step" in html and "score.&lt;b&gt;" in html
    assert html.endswith("</main>\n</body>\n</html>\n")
    assert "| score.\\<b\\> | 6 | 4.5 | 1 |" in markdown
    steady = with_health(page, text, Health(last="run 7", drifts=[]))
    assert all("no number changed by a step" in one for one in steady)
