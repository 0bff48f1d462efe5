"""Validation loss: over answers, as trained, and over whole conversations, side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from gukbap.errors import GukbapError
from gukbap.ports import Progress
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.encoding import Example


def validation_losses(
    model: Any,
    examples: Sequence[Example],
    collator: Collator,
    batch_size: int,
    device: Any,
    progress: Progress,
) -> dict[str, float]:
    """Mean cross-entropy in nats a token: `answer_loss` and `full_loss`.

    Every process measures all examples, so that the number does not depend on how many there are.

    Raises:
        GukbapError: a loss is no number.
    """
    sums: dict[str, float] = {"answer_sum": 0.0, "answer_count": 0.0, "full_sum": 0.0, "full_count": 0.0}
    training = model.training
    model.eval()
    # Batches of alike lengths waste little on padding; the sums do not depend on the order.
    ordered = sorted(examples, key=lambda example: len(example.ids))
    with torch.no_grad(), progress.bar("validation (rows)", len(ordered)) as bar:
        for start in range(0, len(ordered), batch_size):
            batch = ordered[start : start + batch_size]
            inputs = {key: value.to(device) for key, value in collator(batch).items()}
            found = model(**inputs, full_sequence=True)
            for key in sums:
                sums[key] += float(found[key])
            bar.advance(len(batch))
    model.train(training)
    losses = {
        "answer_loss": sums["answer_sum"] / sums["answer_count"],
        "full_loss": sums["full_sum"] / sums["full_count"],
    }
    if not all(math.isfinite(loss) for loss in losses.values()):
        raise GukbapError(
            f"the validation loss is {losses['answer_loss']}",
            expected="a finite loss",
            fix="look at the base model; if training spoilt it, lower train.learning_rate",
        )
    return losses
