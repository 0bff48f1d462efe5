"""Shapes and trainings small enough to be counted by hand."""

from __future__ import annotations

from typing import Any

from gukbap.config import TrainConfig
from gukbap.stages.train.forecast.activations import Batch
from gukbap.stages.train.forecast.process import Training
from gukbap.stages.train.forecast.shapes import ModelShape

#: hidden 8, two layers, 2 heads of 4 over one key and value head, feed-forward 16, vocabulary 10, untied
TINY = ModelShape("mistral", 8, 2, 2, 1, 4, 16, 10, tied=False)
#: one layer: queries and output 8*8 each, keys and values 8*4 each, feed-forward 3*8*16, two norms of 8
TINY_LAYER = 2 * 64 + 2 * 32 + 3 * 128 + 16
TINY_PARAMETERS = 2 * 80 + 2 * TINY_LAYER + 8


def training(shape: ModelShape = TINY, *, rows: int = 1, length: int = 4, **train: Any) -> Training:
    """A training of full rows on GPUs; float32, one row a step and no checkpointing unless said."""
    values = {
        "precision": "float32",
        "gradient_accumulation": 1,
        "gradient_checkpointing": False,
        "per_device_batch_size": rows,
        **train,
    }
    return Training(shape, TrainConfig.model_validate(values), Batch.largest(rows, length), on_gpu=True)


def small_config(model_type: str, **values: Any) -> dict[str, Any]:
    """A config.json of one of the model types, with unlike sizes throughout."""
    sizes = {
        "hidden_size": 96,
        "intermediate_size": 160,
        "num_hidden_layers": 3,
        "num_attention_heads": 6,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "vocab_size": 300,
        "max_position_embeddings": 512,
        "sliding_window": 100 if model_type.startswith("gemma") else None,
    }
    return {"model_type": model_type, **sizes, **values}
