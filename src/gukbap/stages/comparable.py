"""The few numbers of a run by which it is compared with others, under short names that sort well."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from gukbap.schemas import SUBJECTS

Values = Mapping[str, Any]
#: the first part of a metric's name, in the order in which tables show them
READING_ORDER = (
    *("score", "gain", "overall", "single", "multi", "category", "language", "coverage", "stopped"),
    *("data", "drop", "train", "teacher", "judge", "infer"),
)


def comparable_metrics(scores: Values, statistics: Mapping[str, Values]) -> dict[str, float]:
    """What is put flat on a run: names → finite numbers.

    What was not measured has no entry; nothing is filled with a zero.

    Args:
        scores: the content of scores.json.
        statistics: step → its statistics: generate, clean, dedup, split, train, infer-SUBJECT and
            judge-SUBJECT-STRATEGY (a space for the hyphen is understood). Any may be missing.

    Returns:
        score.default (overall of the tuned student; that of a baseline where the run is one),
        overall.tuned.default, category.reasoning.tuned.default, gain.default.low, train.validation_loss,
        data.rows, judge.completion_tokens and the like. Scores and gains are points of 0–10, shares 0–1.
    """
    found: dict[str, Any] = {
        **_scores(scores),
        **_product(scores),
        **_gains(scores),
        **_data(statistics),
        **_training(statistics.get("train", {})),
        **_cost(statistics),
    }
    return {name: float(value) for name, value in sorted(found.items()) if _is_number(value)}


def _scores(scores: Values) -> dict[str, Any]:
    found: dict[str, Any] = {}
    names = {
        "overall": "overall",
        "single": "single",
        "multi": "multi",
        "coverage": "coverage",
        "stopped": "stopped_share",
        "language": "language_compliance",
    }
    for row in scores.get("table", {}).get("rows", []):
        who = f"{row['subject']}.{row['strategy']}"
        found |= {f"{name}.{who}": row.get(key) for name, key in names.items()}
        for category, score in row.get("categories", {}).items():
            found[f"category.{_short(category)}.{who}"] = score
    return found


def _product(scores: Values) -> dict[str, Any]:
    """Scores of the model that a run is about, under names that runs and baselines share."""
    rows = scores.get("table", {}).get("rows", [])
    tuned = [row for row in rows if row["subject"] == SUBJECTS[1]]
    return {name: value for row in tuned for name, value in model_scores(row).items()}


def model_scores(row: Values) -> dict[str, Any]:
    """A row of a score table (ScoreRow) as score.STRATEGY, with the ends of its interval, and
    score.CATEGORY.STRATEGY; None: not scored."""
    strategy, interval = row["strategy"], row.get("interval") or {}
    return {
        f"score.{strategy}": row.get("overall"),
        f"score.{strategy}.low": interval.get("low"),
        f"score.{strategy}.high": interval.get("high"),
        **{
            f"score.{_short(category)}.{strategy}": score
            for category, score in row.get("categories", {}).items()
        },
    }


def in_reading_order(names: Iterable[str]) -> list[str]:
    """Names of metrics as a reader wants them: scores and gains first, each whole before its parts."""
    order = {prefix: place for place, prefix in enumerate(READING_ORDER)}
    return sorted(
        names, key=lambda name: (order.get(name.partition(".")[0], len(order)), name.count("."), name)
    )


def _short(category: str) -> str:
    """reasoning for 추론(Reasoning): MLflow's charts and filters are easier with ASCII names."""
    inside = re.search(r"\(([^)]+)\)", category)
    return (inside[1] if inside else category).lower()


def _gains(scores: Values) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in scores.get("differences", []):
        name = f"gain.{one['strategy']}"
        interval = one.get("interval") or {}
        found |= {
            name: one.get("difference"),
            f"{name}.low": interval.get("low"),
            f"{name}.high": interval.get("high"),
            f"{name}.questions": one.get("questions"),
        }
    return found


def _data(statistics: Mapping[str, Values]) -> dict[str, Any]:
    steps = ("generate", "clean", "dedup", "split")
    generate, clean, dedup, split = (statistics.get(step, {}) for step in steps)
    return {
        "data.seeds": generate.get("seeds"),
        "data.generated": generate.get("rows"),
        "data.kept_share": _share(
            generate.get("rows"), _sum([generate.get("rows"), generate.get("dropped")])
        ),
        "data.leaked_rows": clean.get("leaks"),
        "data.excluded_share": _share(clean.get("removed"), clean.get("rows")),
        "data.duplicate_share": _share(dedup.get("removed"), dedup.get("rows")),
        "data.rows": split.get("rows"),
        "data.train_rows": split.get("train_rows"),
        "data.validation_rows": split.get("validation_rows"),
        **_drops(generate),
    }


def _drops(generate: Values) -> dict[str, Any]:
    """drop.REASON: the share of all candidates that fell to it."""
    candidates = _sum([generate.get("rows"), generate.get("dropped")])
    reasons: Mapping[str, Any] = generate.get("reasons", {})
    return {f"drop.{reason}": _share(count, candidates) for reason, count in reasons.items()}


def _training(train: Values) -> dict[str, Any]:
    losses = [point["loss"] for point in train.get("history", []) if "loss" in point]
    return {
        "train.loss": losses[-1] if losses else None,
        "train.validation_loss": train.get("validation_loss"),
        "train.base_validation_loss": train.get("base_loss"),
        "train.dev_score": train.get("dev_score"),
        "train.base_dev_score": train.get("base_dev_score"),
        "train.steps": train.get("steps"),
        "train.trained_tokens": train.get("trained_tokens"),
        "train.tokens_per_second": train.get("trained_tokens_per_second"),
        "train.seconds": train.get("seconds"),
    }


def _cost(statistics: Mapping[str, Values]) -> dict[str, Any]:
    generate = statistics.get("generate", {})
    judges = [values for step, values in statistics.items() if re.match(r"judge[ -]", step)]
    infers = [values for step, values in statistics.items() if re.match(r"infer[ -]", step)]
    teacher_calls = [generate.get("calls_sent"), generate.get("calls_reused")]
    return {
        # A call whose reply was taken from the journal was paid for by an earlier attempt.
        "teacher.calls": _sum(teacher_calls),
        "teacher.prompt_tokens": generate.get("prompt_tokens"),
        "teacher.completion_tokens": generate.get("completion_tokens"),
        "teacher.cost": generate.get("cost"),
        "judge.calls": _sum(values.get("calls") for values in judges),
        "judge.prompt_tokens": _sum(values.get("prompt_tokens") for values in judges),
        "judge.completion_tokens": _sum(values.get("completion_tokens") for values in judges),
        "judge.cost": _sum(values.get("cost") for values in judges),
        "infer.generated_tokens": _sum(v.get("timing", {}).get("generated_tokens") for v in infers),
        "infer.seconds": _sum(values.get("timing", {}).get("seconds") for values in infers),
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _sum(values: Iterable[Any]) -> float | None:
    """The sum, None where there is nothing to sum or a part is not known."""
    parts = list(values)
    return math.fsum(parts) if parts and all(map(_is_number, parts)) else None


def _share(part: Any, whole: Any) -> float | None:
    return part / whole if _is_number(part) and _is_number(whole) and whole else None
