"""Gradients between micro-batches: what FSDP2 really keeps, and what the trainer asks of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from gukbap.stages.train.limits import SHARDED_ACCUMULATION
from gukbap.stages.train.trainer import _arguments
from tests.stages.train.examples import settings

WIDTH = 32


def _bytes(tensors: list[torch.Tensor | None]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in tensors if tensor is not None)


@pytest.fixture
def world_of_one(tmp_path: Path) -> Iterator[None]:
    """A process group of this process alone: what is whole and what is reduced does not depend on more."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.usefixtures("world_of_one")
@pytest.mark.parametrize("reduced", [False, True])
def test_whole_gradients_stay_until_they_are_reduced(reduced: bool) -> None:
    model: Any = nn.Sequential(*(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(3)))
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.bfloat16)
    for layer in model:
        fully_shard(layer, mp_policy=policy)
    fully_shard(model, mp_policy=policy)
    model.set_requires_gradient_sync(reduced)
    model(torch.ones(1, WIDTH)).sum().backward()
    groups = [group for layer in model for group in layer._get_fsdp_state()._fsdp_param_groups]
    whole = [parameter._unsharded_param.grad for group in groups for parameter in group.fsdp_params]
    shards = [parameter.grad.to_local() for parameter in model.parameters() if parameter.grad is not None]
    count = 3 * WIDTH * WIDTH
    assert (_bytes(whole), _bytes(shards)) == ((0, 4 * count) if reduced else (2 * count, 0))


def test_the_trainer_accumulates_as_the_forecast_counts(tmp_path: Path) -> None:
    class Model:
        _no_split_modules = ("Layer",)

    chosen = settings(processes=2, sharding="fsdp", gradient_accumulation=2)
    asked = _arguments(chosen, Model(), tmp_path).accelerator_config.gradient_accumulation_kwargs
    assert asked is not None, "the trainer keeps whole gradients"
    assert asked["sync_each_batch"] is SHARDED_ACCUMULATION
