"""Cross-entropy over the trained positions alone."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import Tensor

from gukbap.errors import GukbapError
from gukbap.stages.train.chunked_loss import cross_entropies, summed_cross_entropy
from gukbap.stages.train.limits import LOGITS_AT_ONCE

IGNORED = -100


def use_answer_loss(model: Any) -> None:
    """Make a causal language model's forward compute logits only where there is a label.

    The forward stays the model's own method, so that wrappers (DDP, FSDP, autocast) see no difference.

    Raises:
        GukbapError: the output layer is more than a product with a matrix.
    """
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear) or getattr(head, "bias", None) is not None:
        raise GukbapError(
            f"the output layer of {type(model).__name__} is {head}",
            expected="a linear layer without a bias, whose logits can be computed piece by piece",
            fix="train a model of another kind",
        )
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
        losses = cross_entropies(states[present], targets=input_ids[:, 1:][present], **_head(model))
        chosen = trained[present]
        return {
            "answer_sum": losses[chosen].sum(),
            "answer_count": chosen.sum(),
            "full_sum": losses.sum(),
            "full_count": present.sum(),
        }
    chosen_states = states[trained]
    del states  # all of them, padding included, are wanted no more
    if token_losses:
        return {"losses": cross_entropies(chosen_states, targets=targets[trained], **_head(model))}
    total = summed_cross_entropy(chosen_states, targets=targets[trained], **_head(model))
    return {"loss": total / (trained.sum() if num_items_in_batch is None else num_items_in_batch)}


def _head(model: Any) -> dict[str, Any]:
    """What the loss has to know of the output layer."""
    return {
        "weight": model.get_output_embeddings().weight,
        "positions_at_once": max(1, LOGITS_AT_ONCE // int(model.config.vocab_size)),
        "cap": getattr(model.config, "final_logit_softcapping", None),  # Gemma 2
    }
