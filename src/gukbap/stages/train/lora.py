"""LoRA: adapters beside the matrices of a frozen model, their checkpoints, and their end in the matrices.

The model keeps its class, its names and its forward pass: adapters are put into it (peft's
`inject_adapter_in_model`), not around it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from gukbap.config import TrainSettings
from gukbap.errors import ConfigError, ModelError

ADAPTERS = "adapter_model.safetensors"


def add_adapters(model: Any, settings: TrainSettings) -> None:
    """Freeze a model and put trainable adapters into it, as `train.lora` says; nothing where it is null.

    Their start is drawn by the seed, and adds nothing to what the model gives.

    Raises:
        ModelError: peft is not installed.
        ConfigError: the model has no such matrices.
    """
    lora = settings.train.lora
    if lora is None:
        return
    peft = _peft()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    config = peft.LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=[*lora.target_modules],
        bias="none",
    )
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        try:
            peft.inject_adapter_in_model(config, model)
        except ValueError as error:
            raise ConfigError(
                f"train.lora.target_modules are not in {type(model).__name__} ({error})",
                expected="names of matrices in its layers",
            ) from error


def save_adapters(model: Any, folder: Path) -> None:
    """Write the adapters alone."""
    state = _peft().get_peft_model_state_dict(model, adapter_name="default")
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, folder / ADAPTERS)


def load_adapters(model: Any, folder: Path) -> None:
    """Put saved adapters into a model that has such ones.

    Raises:
        ModelError: they are others.
    """
    state = load_file(folder / ADAPTERS)
    result = _peft().set_peft_model_state_dict(model, state, adapter_name="default")
    missing = [name for name in result.missing_keys if ".lora_" in name]
    if missing or result.unexpected_keys:
        raise ModelError(
            f"{folder / ADAPTERS} has other adapters than the model ({len(missing)} are missing)",
            fix="report it: a checkpoint is only read into the training that wrote it",
        )


def merge_adapters(model: Any) -> None:
    """Add each adapter to its matrix, and take it away: the model is a plain one again."""
    from peft.tuners.lora import LoraLayer

    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer)]
    for name, layer in layers:
        layer.merge(safe_merge=True)
        model.set_submodule(name, layer.get_base_layer())


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise ModelError(
            f"train.lora needs peft, which is not installed ({error})", fix="pip install 'gukbap[train]'"
        ) from error
    return peft
