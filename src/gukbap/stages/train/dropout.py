"""Dropout on residual connections that rises with the depth, as LIMA trains."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import dropout

from gukbap.errors import ConfigError


def use_residual_dropout(model: Any, top: float) -> None:
    """Drop parts of what each attention and each MLP adds to the residual stream, while training.

    The rate rises linearly from 0 in the lowest layer to `top` in the highest: 0.3 in LIMA's 65B model, 0.2
    in its smaller ones (arXiv 2305.11206, section 3). Nothing is changed where `top` is 0.

    Raises:
        ConfigError: the model's layers are not of a known kind.
    """
    if not top:
        return
    layers = getattr(model.base_model, "layers", None)
    if not layers or not all(_branches(layer) for layer in layers):
        raise ConfigError(
            f"train.residual_dropout is {top}, and the layers of {type(model).__name__} are not known",
            expected="a model with attention and MLP in each of its layers, as Mistral, Qwen2 and Gemma have",
            fix="set train.residual_dropout=0",
        )
    for depth, layer in enumerate(layers):
        for branch in _branches(layer):
            branch.register_forward_hook(partial(_drop, rate_at(depth, len(layers), top)))


def rate_at(depth: int, layers: int, top: float) -> float:
    """The rate of a layer, counted from 0 at the bottom."""
    return top * depth / max(1, layers - 1)


def _branches(layer: Any) -> list[nn.Module]:
    """The modules whose outputs are added to the residual stream."""
    # Gemma 2 and 3 normalise what attention and MLP give before they add it.
    names = ("post_attention_layernorm", "post_feedforward_layernorm")
    if not hasattr(layer, "post_feedforward_layernorm"):
        names = ("self_attn", "mlp")
    return [getattr(layer, name) for name in names if hasattr(layer, name)]


def _drop(rate: float, module: nn.Module, _: Any, output: Any) -> Any:
    if isinstance(output, Tensor):
        return dropout(output, rate, module.training)
    # Attention gives its weights, too.
    return (dropout(output[0], rate, module.training), *output[1:])
