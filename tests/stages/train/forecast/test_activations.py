"""What is counted, held against what autograd really keeps."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from gukbap.stages.train.forecast import ModelShape
from gukbap.stages.train.forecast.activations import (
    TOKEN_ID,
    Batch,
    Mode,
    head_activations,
    hidden_bytes,
    layer_activations,
    model_activations,
)
from gukbap.stages.train.forecast.shapes import MODEL_TYPES
from tests.stages.train.forecast.shapes import small_config

BATCHES = [Batch(1, 64, 0, masked=False), Batch(3, 64, 0, masked=True), Batch(1, 128, 0, masked=False)]


def kept_bytes(model: Any, mode: Mode, batch: Batch) -> int:
    """Bytes that a forward pass keeps, each storage once, parameters and their casts left out."""
    ids = torch.randint(5, 300, (batch.rows, batch.length))
    mask = torch.ones_like(ids)
    if batch.masked:
        mask[1:, batch.length // 2 :] = 0
    owned = {tensor.untyped_storage().data_ptr() for tensor in (*model.parameters(), *model.buffers())}
    matrices = {tuple(matrix.shape) for matrix in model.parameters() if matrix.dim() == 2}
    casts = {size for shape in matrices for size in (shape, shape[::-1])} if mode == "autocast" else set()
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        pointer = tensor.untyped_storage().data_ptr()
        cast = tensor.dtype == torch.bfloat16 and tuple(tensor.shape) in casts
        if pointer not in owned and not cast:
            kept[pointer] = tensor
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=mode == "autocast"),
    ):
        model.base_model(input_ids=ids, attention_mask=mask, use_cache=False)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_layers_keep_what_is_counted(model_type: str, mode: Mode) -> None:
    config = AutoConfig.for_model(**small_config(model_type))
    dtype = torch.bfloat16 if mode == "bfloat16" else torch.float32
    model = AutoModelForCausalLM.from_config(config).to(dtype)
    shape = ModelShape.from_config(config.to_dict())
    for batch in BATCHES:
        told = model_activations(shape, mode, batch) + head_activations(shape, mode, batch)
        assert told == pytest.approx(kept_bytes(model, mode, batch), rel=0.005)


def test_checkpointed_layers_keep_their_inputs_alone() -> None:
    config = AutoConfig.for_model(**small_config("mistral"))
    model = AutoModelForCausalLM.from_config(config)
    model.activation_checkpointing_enable({"use_reentrant": False})
    model.train()
    shape, batch = ModelShape.from_config(config.to_dict()), BATCHES[1]
    told = shape.layers * hidden_bytes(shape, "float32", batch) + head_activations(shape, "float32", batch)
    # Sines and cosines are handed over by reference, which no hook sees.
    assert kept_bytes(model, "float32", batch) == pytest.approx(told + TOKEN_ID * batch.tokens, rel=0.005)


def test_a_mask_costs_its_square_and_repeated_keys() -> None:
    shape = ModelShape.from_config(small_config("mistral"))
    alone, masked = Batch(1, 64, 0, masked=False), Batch(1, 64, 0, masked=True)
    repeated = 2 * (shape.query_width - shape.kv_width) * 64 * 4
    extra = layer_activations(shape, "float32", masked) - layer_activations(shape, "float32", alone)
    assert extra == 64 * 64 * 4 + repeated
