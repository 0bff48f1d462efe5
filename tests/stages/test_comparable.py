"""The flat numbers by which runs are compared: names that stay, and nothing invented."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.stages.comparable import comparable_metrics, in_reading_order, model_scores
from tests.stages.score_documents import document

STATISTICS: dict[str, dict[str, Any]] = {
    "generate": {
        "seeds": 24,
        "rows": 30,
        "dropped": 10,
        "calls_sent": 60,
        "calls_reused": 9,
        "prompt_tokens": 500,
        "completion_tokens": 400,
        "teacher": "a teacher",
    },
    "dedup": {"rows": 30, "removed": 3, "kept": 27},
    "split": {"rows": 27, "train_rows": 20, "validation_rows": 7},
    "train": {
        "base_loss": 1.7,
        "validation_loss": 1.4,
        "steps": 2,
        "history": [
            {"step": 0, "validation_loss": 1.7},
            {"step": 1, "loss": 1.6},
            {"step": 2, "loss": 1.5},
            {"step": 2, "validation_loss": 1.4},
        ],
    },
    "infer-base": {"timing": {"generated_tokens": 100, "seconds": 2.0}},
    "infer tuned": {"timing": {"generated_tokens": 50, "seconds": 1.0}},
    "judge-base-default": {"calls": 12, "prompt_tokens": 1000, "completion_tokens": 100},
    "judge-tuned-default": {"calls": 13, "prompt_tokens": 1100, "completion_tokens": 110},
}


def test_scores_and_gains_have_short_names() -> None:
    scores = document([1.0, 2.0, 3.0] * 4)
    metrics = comparable_metrics(scores, {})
    assert metrics["overall.base.default"] == 5.0
    assert metrics["overall.tuned.default"] == pytest.approx(7.0)
    assert metrics["coverage.tuned.default"] == 1.0
    assert metrics["gain.default"] == pytest.approx(2.0)
    (difference,) = scores["differences"]
    assert metrics["gain.default.low"] == difference["interval"]["low"]
    assert metrics["gain.default.high"] == difference["interval"]["high"]
    categories = {name for name in metrics if name.startswith("category.") and ".tuned." in name}
    assert categories == {
        f"category.{name}.tuned.default"
        for name in ("reasoning", "math", "writing", "coding", "understanding", "grammar")
    }
    assert all(name.isascii() for name in metrics)
    assert list(metrics) == sorted(metrics)


def test_statistics_are_summed_over_the_steps() -> None:
    metrics = comparable_metrics({}, STATISTICS)
    assert metrics == {
        "data.duplicate_share": 0.1,
        "data.generated": 30.0,
        "data.kept_share": 0.75,
        "data.rows": 27.0,
        "data.seeds": 24.0,
        "data.train_rows": 20.0,
        "data.validation_rows": 7.0,
        "infer.generated_tokens": 150.0,
        "infer.seconds": 3.0,
        "judge.calls": 25.0,
        "judge.completion_tokens": 210.0,
        "judge.prompt_tokens": 2100.0,
        "teacher.calls": 69.0,
        "teacher.completion_tokens": 400.0,
        "teacher.prompt_tokens": 500.0,
        "train.base_validation_loss": 1.7,
        "train.loss": 1.5,
        "train.steps": 2.0,
        "train.validation_loss": 1.4,
    }


def test_what_was_not_measured_has_no_entry() -> None:
    assert comparable_metrics({}, {}) == {}
    unscored = comparable_metrics(document([1.0], unscored=2), {})
    assert "overall.tuned.default" not in unscored
    assert "gain.default" not in unscored
    assert unscored["coverage.tuned.default"] == 0.0
    half = {**STATISTICS, "judge-tuned-default": {"calls": 13}}
    assert "judge.prompt_tokens" not in comparable_metrics({}, half)
    assert comparable_metrics({}, {"train": {"validation_loss": float("nan"), "steps": True}}) == {}
    assert comparable_metrics({}, {"dedup": {"rows": 0, "removed": 0}}) == {}


def test_runs_and_baselines_share_the_names_of_their_scores() -> None:
    scores = document([1.0, 2.0, 3.0] * 4)
    metrics = comparable_metrics(scores, {})
    row = next(row for row in scores["table"]["rows"] if row["subject"] == "tuned")
    shared = {name: value for name, value in model_scores(row).items() if value is not None}
    assert {name: value for name, value in metrics.items() if name.startswith("score.")} == shared
    assert shared["score.default"] == pytest.approx(7.0)
    assert shared["score.default.low"] < shared["score.default"] < shared["score.default.high"]
    assert shared["score.math.default"] == row["categories"]["수학(Math)"]


def test_drop_reasons_are_shares_of_all_candidates() -> None:
    generate = {"rows": 30, "dropped": 10, "reasons": {"no_change": 6, "refusal": 4}}
    metrics = comparable_metrics({}, {"generate": generate})
    assert (metrics["drop.no_change"], metrics["drop.refusal"]) == (0.15, 0.1)


def test_readers_meet_scores_first_and_the_whole_before_its_parts() -> None:
    names = ["zebra", "data.rows", "gain.default", "score.math.default", "score.default", "train.loss"]
    assert in_reading_order(names) == [
        *("score.default", "score.math.default", "gain.default"),
        *("data.rows", "train.loss", "zebra"),
    ]
