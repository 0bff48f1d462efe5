"""The chunked loss and its gradients against torch's own cross-entropy over all logits."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gukbap.stages.train.chunked_loss import summed_cross_entropy


@dataclass(frozen=True)
class Case:
    states: Tensor
    weight: Tensor
    targets: Tensor


@pytest.fixture
def case() -> Case:
    torch.manual_seed(0)
    return Case(torch.randn(23, 16) * 2, torch.randn(41, 16), torch.randint(0, 41, (23,)))


def whole(states: Tensor, weight: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    logits = states @ weight.T
    if cap is not None:
        logits = torch.tanh(logits / cap) * cap
    return cross_entropy(logits, targets, reduction="sum")


@pytest.mark.parametrize("cap", [None, 3.0])
@pytest.mark.parametrize("at_once", [1, 5, 23, 100])
def test_it_is_the_loss_of_all_logits(case: Case, at_once: int, cap: float | None) -> None:
    plain, ours = ([case.states.clone().requires_grad_(), case.weight.clone().requires_grad_()] for _ in "ab")
    expected = whole(plain[0], plain[1], case.targets, cap)
    found = summed_cross_entropy(ours[0], ours[1], case.targets, positions_at_once=at_once, cap=cap)
    # As the trainer does: the sum is divided by the tokens of the whole batch.
    torch.autograd.backward(expected / 7)
    torch.autograd.backward(found / 7)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    for one, other in zip(plain, ours, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_large_logits_neither_overflow_nor_vanish(case: Case) -> None:
    found = summed_cross_entropy(case.states * 1e4, case.weight, case.targets, positions_at_once=4)
    assert found.item() == pytest.approx(whole(case.states * 1e4, case.weight, case.targets, None).item())


def test_a_frozen_matrix_gets_no_gradient(case: Case) -> None:
    states = case.states.clone().requires_grad_()
    torch.autograd.backward(summed_cross_entropy(states, case.weight, case.targets, positions_at_once=5))
    assert states.grad is not None
    assert case.weight.grad is None


def test_without_positions_loss_and_gradients_are_zero(case: Case) -> None:
    states, weight = case.states[:0].clone().requires_grad_(), case.weight.clone().requires_grad_()
    loss = summed_cross_entropy(states, weight, case.targets[:0], positions_at_once=5)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert weight.grad is not None
    assert not weight.grad.any()


@pytest.mark.parametrize("autocast", [True, False])
def test_products_in_bfloat16_with_the_loss_in_float32(case: Case, *, autocast: bool) -> None:
    """Under autocast over float32 weights, and with bfloat16 weights as FSDP2 gathers them."""
    kind = torch.float32 if autocast else torch.bfloat16
    plain, ours = (
        [case.states.to(kind).requires_grad_(), case.weight.to(kind).requires_grad_()] for _ in "ab"
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        expected = cross_entropy((plain[0] @ plain[1].T).float(), case.targets, reduction="sum")
        found = summed_cross_entropy(ours[0], ours[1], case.targets, positions_at_once=5)
    torch.autograd.backward(expected)
    torch.autograd.backward(found)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    for one, other in zip(plain, ours, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert other.grad.dtype == kind
        error = (one.grad - other.grad).float().norm() / one.grad.float().norm()
        assert error < 0.02  # roundings of 8 bits
