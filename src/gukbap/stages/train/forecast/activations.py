"""Bytes that autograd keeps from the forward for the backward pass, counted tensor by tensor.

The counts follow the layers of transformers 5 (RMSNorm in float32, rotary positions, scaled dot product
attention, gated feed-forward) and are held against what autograd really keeps in
tests/stages/train/forecast/test_activations.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gukbap.stages.train.forecast.shapes import ModelShape

FLOAT32, BFLOAT16, TOKEN_ID = 4, 2, 8

#: float32: all in float32. autocast: float32 weights and residuals, products in bfloat16 (one GPU, DDP).
#: bfloat16: weights gathered and residuals in bfloat16 (FSDP2's mixed precision).
Mode = Literal["float32", "autocast", "bfloat16"]


@dataclass(frozen=True)
class Batch:
    """What one process holds of a batch at once.

    Attributes:
        rows: in it.
        length: tokens of its longest row, to which the others are padded.
        trained: positions that the loss is taken over, at most rows x (length - 1).
        masked: whether attention is handed a mask, which keeps packed rows apart; padding on the right needs
            none.
    """

    rows: int
    length: int
    trained: int
    masked: bool

    @property
    def tokens(self) -> int:
        """Positions, padding included."""
        return self.rows * self.length

    @classmethod
    def largest(cls, rows: int, length: int, *, packed: bool = False) -> Batch:
        """The most that so many rows or packs of at most `length` tokens can take."""
        return cls(rows, length, rows * (length - 1), masked=packed)


def residual_bytes(mode: Mode) -> int:
    """Bytes of a number of the residual stream."""
    return BFLOAT16 if mode == "bfloat16" else FLOAT32


def product_bytes(mode: Mode) -> int:
    """Bytes of a number that a matrix product gives."""
    return FLOAT32 if mode == "float32" else BFLOAT16


def hidden_bytes(shape: ModelShape, mode: Mode, batch: Batch) -> int:
    """The residual stream once: what a checkpointed layer keeps."""
    return residual_bytes(mode) * shape.hidden * batch.tokens


def model_activations(shape: ModelShape, mode: Mode, batch: Batch) -> int:
    """What all layers keep without checkpointing."""
    sliding = shape.sliding_layers * layer_activations(shape, mode, batch, sliding=True)
    full = (shape.layers - shape.sliding_layers) * layer_activations(shape, mode, batch)
    return sliding + full + shared_activations(shape, mode, batch)


def shared_activations(shape: ModelShape, mode: Mode, batch: Batch) -> int:
    """What the layers keep together: token ids, and the sines and cosines of their positions."""
    kinds = 2 if shape.model_type == "gemma3_text" else 1  # one frequency each for sliding and full layers
    rotary = kinds * 2 * shape.head_dim * residual_bytes(mode) * batch.length
    return TOKEN_ID * batch.tokens + rotary


def layer_activations(shape: ModelShape, mode: Mode, batch: Batch, *, sliding: bool = False) -> int:
    """What one layer keeps: norms, attention and feed-forward."""
    before_attention = _norm_before(shape, mode, products=3)
    before_feed_forward = _norm_before(shape, mode, products=2)
    after = 2 * _norm_after(shape) if shape.sandwich_norms else 0
    feed_forward = 4 * shape.intermediate * product_bytes(mode)
    per_token = before_attention + before_feed_forward + after + feed_forward + _qk_norms(shape, mode)
    return per_token * batch.tokens + _attention(shape, mode, batch, sliding)


def head_activations(shape: ModelShape, mode: Mode, batch: Batch) -> int:
    """The last norm. Its own output is not kept: the chosen positions are copied out of it, and their
    gradient is taken at once."""
    return _norm_before(shape, mode, products=0) * batch.tokens


def needs_mask(shape: ModelShape, batch: Batch, *, sliding: bool) -> bool:
    """Whether a layer's attention is given a mask, instead of knowing that it is causal."""
    beyond = sliding and shape.window is not None and batch.length >= shape.window
    return batch.masked or beyond


def _norm_before(shape: ModelShape, mode: Mode, products: int) -> int:
    """A token's share of a norm whose output goes into so many products."""
    hidden, rsqrt = shape.hidden, FLOAT32
    inner = FLOAT32 * hidden  # the input in float32
    if mode == "float32":
        return inner + rsqrt + FLOAT32 * hidden + (FLOAT32 * hidden if products else 0)
    if mode == "autocast":  # each product casts its input anew
        return inner + rsqrt + FLOAT32 * hidden + products * BFLOAT16 * hidden
    normalised = (FLOAT32 if shape.sandwich_norms else BFLOAT16) * hidden
    return inner + rsqrt + normalised + (BFLOAT16 * hidden if products else 0)


def _norm_after(shape: ModelShape) -> int:
    """A token's share of a norm after a sublayer: its input and the normalised values in float32."""
    return 2 * FLOAT32 * shape.hidden + FLOAT32


def _qk_norms(shape: ModelShape, mode: Mode) -> int:
    if not shape.qk_norms:
        return 0
    normalised = FLOAT32 if mode == "float32" or shape.sandwich_norms else BFLOAT16
    heads = shape.heads + shape.kv_heads
    return heads * (shape.head_dim * (FLOAT32 + normalised) + FLOAT32)


def _attention(shape: ModelShape, mode: Mode, batch: Batch, sliding: bool) -> int:
    size = product_bytes(mode)
    masked = needs_mask(shape, batch, sliding=sliding)
    if shape.attention_cap is not None:
        # Eager attention: softcapped scores, and their softmax in float32 (and cast, where that differs).
        scores = size + FLOAT32 + (size if size != FLOAT32 else 0)
        squares = batch.rows * shape.heads * batch.length**2
        return scores * squares + size * 4 * shape.query_width * batch.tokens
    # Keys and values are repeated for their query heads where there is a mask.
    keys_and_values = 2 * (shape.query_width if masked else shape.kv_width)
    kept = size * (2 * shape.query_width + keys_and_values) * batch.tokens
    logsumexp = FLOAT32 * shape.heads * batch.tokens
    mask = size * batch.rows * batch.length**2 if masked else 0
    return kept + logsumexp + mask
