"""The trained model's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from gukbap.chat_templates import ChatTemplate, end_token_id
from gukbap.files import atomic_folder, write_json

MODEL_FACTS = "gukbap_model.json"


def export_model(
    model: Any,
    state: Mapping[str, Any] | None,
    tokenizer: Any,
    template: ChatTemplate,
    precision: str,
    facts: Mapping[str, Any],
    output: Path,
) -> None:
    """Write safetensors, tokenizer with the pinned template, generation settings and facts, or nothing.

    Args:
        state: the gathered weights of a sharded model; the model's own where None.
        precision: what the weights are stored in.
    """
    model.config.use_cache = True
    _set_generation_defaults(model, tokenizer, template)
    tokenizer.chat_template = template.jinja
    weights = dict(state if state is not None else model.state_dict())
    if precision == "bfloat16":
        weights = {name: tensor.to(torch.bfloat16) for name, tensor in weights.items()}
        model.config.dtype = torch.bfloat16
    with atomic_folder(output) as folder:
        model.save_pretrained(folder, state_dict=weights)
        tokenizer.save_pretrained(folder)
        write_json(folder / MODEL_FACTS, dict(facts))


def _set_generation_defaults(model: Any, tokenizer: Any, template: ChatTemplate) -> None:
    """Stop at the template's end token, and at what the base model stops at."""
    config = model.generation_config
    known = config.eos_token_id if config.eos_token_id is not None else tokenizer.eos_token_id
    others = known if isinstance(known, list) else [known]
    end = end_token_id(tokenizer, template)
    config.eos_token_id = list(dict.fromkeys([end, *(token for token in others if token is not None)]))
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else end
    config.bos_token_id = tokenizer.bos_token_id
