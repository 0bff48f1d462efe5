"""A training's statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gukbap.config import TrainConfig
from gukbap.stages.train.encoding import EncodedRows
from gukbap.stages.train.measurements import Measurements, perplexity
from gukbap.stages.train.selection import stops

_STEP = ("step", "epoch", "loss", "learning_rate", "grad_norm")


def row_figures(training_set: EncodedRows, validation_set: EncodedRows) -> dict[str, Any]:
    """What was trained on, and what was measured on."""
    return {
        "rows": training_set.rows,
        "examples": len(training_set.examples),
        "dropped": training_set.dropped,
        "over_length": training_set.over_length,
        "tokens": training_set.tokens,
        "trained_tokens": training_set.trained_tokens,
        "validation_rows": validation_set.rows,
        "validation_dropped": validation_set.dropped,
        "validation_tokens": validation_set.tokens,
        "validation_trained_tokens": validation_set.trained_tokens,
    }


def course_figures(
    measurements: Measurements, log: Sequence[dict[str, Any]], chosen: int, train: TrainConfig
) -> dict[str, Any]:
    """Losses before training and of the `chosen` step, how it was chosen, and the course of it all.

    Args:
        log: the Trainer's, by step.
    """
    steps = [{key: entry[key] for key in _STEP if key in entry} for entry in log if "loss" in entry]
    base, tuned = measurements.at(0), measurements.at(chosen)
    figures = {
        "steps": len(steps),
        "base_loss": base["answer_loss"],
        "base_full_loss": base["full_loss"],
        "validation_loss": tuned["answer_loss"],
        "validation_full_loss": tuned["full_loss"],
        "validation_perplexity": perplexity(tuned["answer_loss"]),
        "validation_by_category": measurements.by_category(chosen),
        "selection": _selection(measurements, chosen, train),
        "generations": [
            {"step": point["step"], "answers": point["answers"]}
            for point in measurements.until()
            if "answers" in point
        ],
        "history": sorted([*measurements.history, *steps], key=lambda point: point["step"]),
    }
    if "dev_score" in tuned:
        figures |= {"base_dev_score": base["dev_score"], "dev_score": tuned["dev_score"]}
    return figures


def _selection(measurements: Measurements, chosen: int, train: TrainConfig) -> dict[str, Any]:
    points = measurements.until()
    return {
        "rule": train.selection,
        "step": chosen,
        "epoch": measurements.at(chosen)["epoch"],
        "stopped_early": stops(points, train),
        "evaluations": [
            {
                **measurements.history_point(point["step"]),
                **({"dev_rules": point["dev_rules"]} if "dev_rules" in point else {}),
            }
            for point in points
        ],
    }
