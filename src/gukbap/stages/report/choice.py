"""Which checkpoint became the model, and how the model answered before and after training."""

from __future__ import annotations

from typing import Any

from gukbap.stages.report.facts import RunFacts

_REASONS = {
    "dev_score": "the best answers to the dev prompts by rules, validation loss where scores are equal to "
    "two decimals",
    "validation_loss": "the lowest validation loss on answers",
    "last": "the last one, whatever was measured",
}


def choice_values(facts: RunFacts) -> dict[str, Any]:
    """What the templates of the choice read: `choice` and `tries`; None and nothing where no choice is
    recorded."""
    train = facts.train or {}
    selection = train.get("selection")
    if selection is None:
        return {"choice": None, "tries": []}
    place = f"step {selection['step']} (epoch {selection['epoch']:.2f})"
    early = " Training stopped early." if selection["stopped_early"] else ""
    return {
        "choice": {
            "sentence": f"The checkpoint of {place} became the model: {_REASONS[selection['rule']]}.{early}",
            "rows": [_row(one, selection["step"]) for one in selection["evaluations"]],
        },
        "tries": _tries(train.get("generations", []), selection["step"]),
    }


def _row(one: dict[str, Any], chosen: int) -> list[str]:
    score = one.get("dev_score")
    return [
        f"{one['step']}{' (chosen)' if one['step'] == chosen else ''}",
        f"{one['epoch']:.2f}",
        f"{one['validation_loss']:.4f}",
        f"{one['validation_full_loss']:.4f}",
        "–" if score is None else f"{score:.2f}",
    ]


def _tries(generations: list[dict[str, Any]], chosen: int) -> list[dict[str, Any]]:
    """Answers to the sample prompts, before training and by the chosen checkpoint."""
    by_step = {one["step"]: one["answers"] for one in generations}
    pairs = zip(by_step.get(0, []), by_step.get(chosen, []), strict=False)
    return [
        {"prompt": before["prompt"], "before": before, "after": after}
        for before, after in pairs
        if before["row_id"] is None
    ]
