"""The cross-entropy of an output layer in chunks of positions: the losses, or their sum with its gradients.

The gradients are taken while a chunk's logits are there, as fused losses on GPUs do (Hsu et al., "Liger
Kernel", arXiv 2410.10989): logits are computed once, one chunk's stand in memory at a time, and the matrix
has one gradient that every chunk is added to.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


def summed_cross_entropy(
    states: Tensor, weight: Tensor, targets: Tensor, *, positions_at_once: int, cap: float | None = None
) -> Tensor:
    """The sum of the losses of all positions, a float32 number; differentiable once.

    Under autocast products are in its type, as they are in a linear layer; the loss is in float32.

    Args:
        states: [positions, hidden].
        weight: [vocabulary, hidden].
        targets: [positions], token ids.
        positions_at_once: whose logits are in memory together.
        cap: logits are bounded to ±cap by cap · tanh(logits / cap); None: they are not.
    """
    total: Tensor = _Summed.apply(states, weight, targets, positions_at_once, cap)  # type: ignore[no-untyped-call] # torch's
    return total


@torch.no_grad()
def cross_entropies(
    states: Tensor, weight: Tensor, targets: Tensor, *, positions_at_once: int, cap: float | None = None
) -> Tensor:
    """The float32 losses of [positions, hidden] states one by one, without gradients; arguments as above."""
    chunks = zip(torch.split(states, positions_at_once), torch.split(targets, positions_at_once), strict=True)
    return torch.cat([_exponentiate((state @ weight.T).float(), target, cap)[0] for state, target in chunks])


class _Summed(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, targets: Tensor, size: int, cap: float | None
    ) -> Tensor:
        of_states, of_weight = ctx.needs_input_grad[:2]
        kind = states.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
        ctx.states = torch.empty_like(states) if of_states else None
        ctx.weight = torch.zeros_like(weight) if of_weight else None
        total = torch.zeros((), dtype=torch.float32, device=states.device)
        with torch.autocast(kind, enabled=False):
            matrix = weight.to(dtype)
            for begin in range(0, len(states), size):
                state = states[begin : begin + size].to(dtype)
                logits = (state @ matrix.T).float()
                losses, gradient = _with_gradient(logits, targets[begin : begin + size], cap)
                total += losses.sum()
                gradient = gradient.to(dtype)
                if ctx.states is not None:
                    ctx.states[begin : begin + size] = gradient @ matrix
                if ctx.weight is not None:
                    _add_product(ctx.weight, gradient.T, state)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        # Handed over, not kept: the graph lives longer than the step that needs the gradients.
        gradients, ctx.states, ctx.weight = (ctx.states, ctx.weight), None, None
        for gradient in gradients:
            if gradient is not None:
                gradient.mul_(upstream)
        return (*gradients, None, None, None)


def _with_gradient(logits: Tensor, targets: Tensor, cap: float | None) -> tuple[Tensor, Tensor]:
    """The losses, and their gradients by the logits, which are written over them."""
    losses, total, slope = _exponentiate(logits, targets, cap)
    gradient = logits.div_(total).scatter_add_(1, targets[:, None], torch.full_like(total, -1.0))
    return losses, gradient if slope is None else gradient.mul_(slope)


def _exponentiate(logits: Tensor, targets: Tensor, cap: float | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """The losses; exponentials of the logits are written over these, and their sums returned, with the
    slope of the cap's function."""
    slope = None
    if cap is not None:
        logits.div_(cap).tanh_()
        slope = logits.square().neg_().add_(1)
        logits.mul_(cap)
    most = logits.amax(dim=1, keepdim=True)
    of_target = logits.gather(1, targets[:, None])
    total = logits.sub_(most).exp_().sum(dim=1, keepdim=True)
    return (most + total.log() - of_target)[:, 0], total, slope


def _add_product(sum_: Tensor, left: Tensor, right: Tensor) -> None:
    if sum_.dtype == left.dtype:
        sum_.addmm_(left, right)
    else:  # float32 weights under autocast
        sum_.add_(left @ right)
