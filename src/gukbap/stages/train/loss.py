"""Cross-entropy over the trained positions alone."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from gukbap.stages.train.limits import LOGITS_AT_ONCE

IGNORED = -100


def use_answer_loss(model: Any) -> None:
    """Make a causal language model's forward compute logits only where there is a label.

    The forward stays the model's own method, so that wrappers (DDP, FSDP, autocast) see no difference.
    """
    model.forward = MethodType(_forward, model)
    # Tells transformers' Trainer that the loss is normalised here, by the tokens of the global batch.
    model.accepts_loss_kwargs = True


def _forward(
    model: Any,
    input_ids: Tensor,
    labels: Tensor,
    attention_mask: Tensor | None = None,
    position_ids: Tensor | None = None,
    num_items_in_batch: Tensor | int | None = None,
    full_sequence: bool = False,
    token_losses: bool = False,
) -> dict[str, Tensor]:
    """Loss of a batch.

    Args:
        input_ids, labels: [batch, length]; labels are IGNORED where nothing is trained.
        attention_mask: [batch, length], of batches padded on the right.
        position_ids: [batch, length], of packed batches; they begin anew at each document.
        num_items_in_batch: trained tokens of the global batch, by which the sum is divided; the
            batch's own where None.
        full_sequence: instead of `loss`, the sums and counts over trained positions and over all; for
            padded batches.
        token_losses: instead of `loss`, the `losses` of the trained positions one by one.
    """
    # No mask: padding stands on the right, where nothing looks at it, and positions tell packed documents
    # apart. Without one SDPA takes its causal kernel, and flash attention finds the documents' borders.
    states = model.base_model(
        input_ids=input_ids, position_ids=position_ids, use_cache=False
    ).last_hidden_state[:, :-1]
    targets = labels[:, 1:]
    trained = targets != IGNORED
    if full_sequence:
        assert attention_mask is not None
        present = attention_mask[:, 1:].bool()
        losses = _losses(model, states[present], input_ids[:, 1:][present], "none")
        chosen = trained[present]
        return {
            "answer_sum": losses[chosen].sum(),
            "answer_count": chosen.sum(),
            "full_sum": losses.sum(),
            "full_count": present.sum(),
        }
    if token_losses:
        return {"losses": _losses(model, states[trained], targets[trained], "none")}
    total = _losses(model, states[trained], targets[trained], "sum").sum()
    return {"loss": total / (trained.sum() if num_items_in_batch is None else num_items_in_batch)}


def _losses(model: Any, states: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Losses of [positions, hidden] states: one each ("none") or one a chunk ("sum")."""
    size = max(1, LOGITS_AT_ONCE // model.config.vocab_size)
    chunks = list(zip(torch.split(states, size), torch.split(targets, size), strict=True))
    # A chunk's logits are computed again in the backward pass where all together would not fit.
    again = len(chunks) > 1 and torch.is_grad_enabled()
    losses = [
        checkpoint(_chunk_loss, model, state, target, reduction, use_reentrant=False)
        if again
        else _chunk_loss(model, state, target, reduction)
        for state, target in chunks
    ]
    return torch.cat([loss.reshape(-1) for loss in losses])


def _chunk_loss(model: Any, states: Tensor, targets: Tensor, reduction: str) -> Tensor:
    logits = model.lm_head(states).float()
    cap = getattr(model.config, "final_logit_softcapping", None)  # Gemma 2
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    return cross_entropy(logits, targets, reduction=reduction)
