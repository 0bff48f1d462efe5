"""Learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Callable

from gukbap.config import TrainConfig


def learning_rate_factor(settings: TrainConfig, total_steps: int) -> Callable[[int], float]:
    """What the learning rate is multiplied with at each optimiser step, counted from 0.

    A linear rise over `warmup_ratio` of the steps, then linear or cosine decay to
    `min_learning_rate_ratio`, or no decay. LIMA (arXiv 2305.11206): no warm-up, 1e-5 linearly to 1e-6.
    """
    warmup = math.ceil(settings.warmup_ratio * total_steps)
    least = settings.min_learning_rate_ratio

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / (warmup + 1)
        progress = min(1.0, (step - warmup) / max(1, total_steps - warmup))
        if settings.schedule == "constant":
            return 1.0
        if settings.schedule == "cosine":
            return least + (1 - least) * 0.5 * (1 + math.cos(math.pi * progress))
        return 1 - (1 - least) * progress

    return factor
