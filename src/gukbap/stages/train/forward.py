"""A model under training, used as it is served."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def as_served(model: Any, precision: str) -> Iterator[Any]:
    """The model with its own forward pass in place of the one that takes the loss, in evaluation mode and
    without gradients, computing in `precision`.

    Every process of a sharded model has to call it with the same inputs.
    """
    training, device = model.training, next(model.parameters()).device
    replaced = model.__dict__.pop("forward", None)
    model.eval()
    try:
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16"):
            yield model
    finally:
        model.train(training)
        if replaced is not None:
            model.forward = replaced
