"""Steps, tokens and floating-point operations of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gukbap.config import TrainConfig
from gukbap.stages.train.forecast.process import Training


@dataclass(frozen=True)
class Data:
    """What is trained on.

    Attributes:
        rows: training rows.
        tokens: of a row, on average.
        trained_share: of the tokens, those that the loss is taken over.
    """

    rows: int
    tokens: float
    trained_share: float = 1.0


@dataclass(frozen=True)
class Work:
    """What is done from the first step to the last, over all processes.

    Attributes:
        steps: of the optimiser.
        tokens: that go through the model.
        model_operations: floating-point operations of one forward and one backward pass for each token.
        operations: those, and what is computed a second time to save memory.
    """

    steps: int
    tokens: int
    model_operations: float
    operations: float


def steps_of(items: int, config: TrainConfig) -> int:
    """Optimiser steps over rows or packs, the last one of an epoch perhaps over fewer."""
    batches = math.ceil(items / (config.per_device_batch_size * config.processes))
    return config.epochs * math.ceil(batches / config.gradient_accumulation)


def work_of(training: Training, data: Data) -> Work:
    """Count a training's work.

    A product of a token with a matrix takes two operations a weight in the forward pass and four in the
    backward pass (Kaplan et al., arXiv 2001.08361: 6 N a token); causal attention looks back over half a
    row on average, or over its window.
    """
    tokens = round(data.rows * data.tokens * training.config.epochs)
    forward = tokens * _layers_forward(training, data.tokens)
    trained = tokens * data.trained_share
    head = 2.0 * trained * training.shape.embedding
    head_passes = 3 if training.head_is_trained else 2
    # A frozen matrix has no gradient of its own; those of adapters are left out.
    passes = 2 if training.config.lora is not None else 3
    model = passes * forward + head_passes * head
    again = forward if training.config.gradient_checkpointing else 0.0
    return Work(steps_of(_items(training, data), training.config), tokens, model, model + again)


def _items(training: Training, data: Data) -> int:
    """What the trainer's micro-batches are made of: rows, or packs as full as can be."""
    if training.config.batching != "packed":
        return data.rows
    return math.ceil(data.rows * data.tokens / training.batch.length)


def _layers_forward(training: Training, length: float) -> float:
    """Operations of a token's way through the layers of a row of some length."""
    shape = training.shape
    full, window = length / 2, shape.window or 0
    sliding = full if length <= window else window - window**2 / (2 * length)
    looked_back = (shape.layers - shape.sliding_layers) * full + shape.sliding_layers * sliding
    return 2.0 * shape.layers * shape.layer_matrices + 4.0 * looked_back * shape.query_width
