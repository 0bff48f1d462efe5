"""FSDP2: parameters, gradients and optimizer states as shards, one a process."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributed.fsdp import MixedPrecisionPolicy
from torch.distributed.tensor import DTensor, Shard

from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.stages.train.limits import SHARDED_ACCUMULATION


def sharding_arguments(settings: TrainSettings, model: Any) -> dict[str, Any]:
    """TrainingArguments that shard the model, or none."""
    if settings.train.sharding == "none":
        return {}
    return {
        "fsdp": "full_shard",
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "transformer_layer_cls_to_wrap": sorted(model._no_split_modules),
            # Each process writes its own shard: nobody gathers 84 GB of a 7B model's states to save them.
            "state_dict_type": "SHARDED_STATE_DICT",
            "reshard_after_forward": True,
        },
        # accelerate would otherwise leave gradients unsharded between the micro-steps of a step: 28 GB more a
        # GPU for a 7B model, in the float32 in which they are summed.
        "accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": SHARDED_ACCUMULATION}},
    }


def mixed_precision(settings: TrainSettings) -> MixedPrecisionPolicy:
    """Compute in `train.precision`, sum gradients in float32, and hand the loss on as it is.

    accelerate's own policy for bfloat16 reduces gradients in it, and rounds what the forward pass
    returns to it: a loss of 8 bits, and sums of a validation set of as many.
    """
    dtype = torch.bfloat16 if settings.train.precision == "bfloat16" else torch.float32
    return MixedPrecisionPolicy(param_dtype=dtype, reduce_dtype=torch.float32)


def require_sharded(model: Any, settings: TrainSettings) -> None:
    """Refuse to train anything but what `train.sharding` says.

    Raises:
        GukbapError: a parameter is whole where it has to be a shard, or the other way round.
    """
    world, fsdp = settings.train.processes, settings.train.sharding == "fsdp"
    parameters = dict(model.named_parameters())
    wrong = [name for name, parameter in parameters.items() if _is_shard(parameter, world) != fsdp]
    if wrong:
        state = "not sharded" if fsdp else "sharded"
        raise GukbapError(
            f"train.sharding is {settings.train.sharding}, and {len(wrong)} of {len(parameters)} parameters "
            f"are {state} ({wrong[0]})",
            expected=f"every parameter in {world} shards" if fsdp else "every parameter whole",
            fix="look at the ACCELERATE_ and FSDP_ variables of this environment, and report it",
        )


def _is_shard(parameter: Tensor, world: int) -> bool:
    return (
        isinstance(parameter, DTensor)
        and parameter.device_mesh.size() == world
        and any(isinstance(placement, Shard) for placement in parameter.placements)
    )


def gathered_weights(model: Any, dtype: torch.dtype, *, keep: bool) -> dict[str, Tensor]:
    """The whole weights by name, on the CPU; every process has to call it.

    They are gathered one after the other, so that no GPU holds more than one of them. Names of tied
    weights share one tensor.

    Args:
        keep: whether this process wants them; the others get an empty mapping.
    """
    found: dict[str, Tensor] = {}
    seen: dict[int, Tensor] = {}
    for name, parameter in model.state_dict(keep_vars=True).items():
        if id(parameter) not in seen:
            whole = parameter.detach()
            whole = whole.full_tensor() if isinstance(whole, DTensor) else whole
            seen[id(parameter)] = (
                whole.to("cpu", dtype if whole.is_floating_point() else None) if keep else whole[:0]
            )
        found[name] = seen[id(parameter)]
    return found if keep else {}
