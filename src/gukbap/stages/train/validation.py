"""Validation loss: over answers, as trained, and over whole conversations, side by side; and by category."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from gukbap.errors import GukbapError
from gukbap.ports import Progress
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.measurements import CATEGORY


def validation_losses(
    model: Any,
    examples: Sequence[Example],
    collator: Collator,
    batch_size: int,
    device: Any,
    progress: Progress,
    pause: Callable[[], None],
) -> dict[str, float]:
    """Mean cross-entropy in nats a token: `answer_loss` and `full_loss`, and for each category of the rows
    `category/NAME`, over its answers.

    Every process measures all examples, so that the number does not depend on how many there are, and calls
    `pause` before each batch.

    Raises:
        GukbapError: a loss is no number.
    """
    sums: Counter[str] = Counter()
    answers: dict[str, Counter[str]] = {}
    training = model.training
    model.eval()
    with torch.no_grad(), progress.bar("validation (rows)", len(examples)) as bar:
        for batch in _batches(examples, batch_size):
            pause()
            inputs = {key: value.to(device) for key, value in collator(batch).items()}
            found = {key: float(value) for key, value in model(**inputs, full_sequence=True).items()}
            sums.update(found)
            answers.setdefault(batch[0].category, Counter()).update(found)
            bar.advance(len(batch))
    model.train(training)
    losses = {
        "answer_loss": sums["answer_sum"] / sums["answer_count"],
        "full_loss": sums["full_sum"] / sums["full_count"],
        **{
            f"{CATEGORY}{name}": found["answer_sum"] / found["answer_count"]
            for name, found in sorted(answers.items())
            if name
        },
    }
    if not all(math.isfinite(loss) for loss in losses.values()):
        raise GukbapError(
            f"the validation loss is {losses['answer_loss']}",
            expected="a finite loss",
            fix="look at the base model; if training spoilt it, lower train.learning_rate",
        )
    return losses


def _batches(examples: Sequence[Example], size: int) -> Iterator[list[Example]]:
    """Batches of one category and of alike lengths, which waste little on padding; the sums do not depend on
    the order."""
    by_category: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda example: len(example.ids)):
        by_category.setdefault(example.category, []).append(example)
    for members in by_category.values():
        for start in range(0, len(members), size):
            yield members[start : start + size]
