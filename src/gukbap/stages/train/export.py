"""The trained model's folder, and the proof that it is the trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from gukbap.chat_templates import ChatTemplate, encode_segments
from gukbap.errors import ModelError
from gukbap.files import atomic_folder, write_json
from gukbap.schemas import Message
from gukbap.stages.train.forward import as_served
from gukbap.stages.train.generation import end_ids

MODEL_FACTS = "gukbap_model.json"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: How far logits may lie apart, as a part of the largest. In float32 only the order of sums differs (0 on
#: one CPU). In bfloat16, of 8 significant bits, every layer rounds, and weights were rounded before or after
#: their use: 0.006 was measured with 2 layers, 0.015 with the 18 of Gemma 3 270M. A wrong configuration is
#: farther off, and the weights themselves are compared to the bit.
TOLERANCES = {"float32": 1e-4, "bfloat16": 2**-3}
_PROBE = "비 오는 날에 어울리는 따뜻한 음식 세 가지를 알려 주세요."


def probe_ids(tokenizer: Any, template: ChatTemplate) -> Tensor:
    """A fixed question and the start of an answer as [1, length] token ids."""
    messages = [Message(role="user", content=_PROBE), Message(role="assistant", content="네.")]
    segments = encode_segments(tokenizer, template, messages)
    return torch.tensor([[token for segment in segments for token in segment.ids]])


def probe_logits(model: Any, ids: Tensor, precision: str) -> Tensor:
    """A model's [length, vocabulary] logits of `ids`, computed in `precision`; float32 on the CPU.

    Every process of a sharded model has to call it.
    """
    with as_served(model, precision):
        device = next(model.parameters()).device
        logits: Tensor = model(input_ids=ids.to(device), use_cache=False).logits[0]
    return logits.float().cpu()


def export_model(
    model: Any,
    weights: Mapping[str, Tensor],
    tokenizer: Any,
    template: ChatTemplate,
    facts: Mapping[str, Any],
    output: Path,
    *,
    precision: str,
    logits: Tensor,
) -> None:
    """Write safetensors, tokenizer with the pinned template, generation settings and facts, or nothing.

    Args:
        model: for its configuration and class; its own weights may be shards.
        weights: all of them, whole, in the dtype in which they are stored.
        precision: what the model was trained in.
        logits: the trained model's logits of `probe_ids`, which the folder has to give as well.

    Raises:
        ModelError: the folder, loaded again, has other weights or gives other logits.
    """
    model.config.use_cache = True
    _set_generation_defaults(model, tokenizer, template)
    tokenizer.chat_template = template.jinja
    with atomic_folder(output) as folder:
        model.save_pretrained(folder, state_dict=dict(weights))
        # save_pretrained writes the dtype that the model was trained in, not that of the weights.
        model.config.dtype = DTYPES[precision]
        model.config.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        _require_the_same(folder, weights, probe_ids(tokenizer, template), logits, precision)
        write_json(folder / MODEL_FACTS, dict(facts))


def _require_the_same(
    folder: Path, weights: Mapping[str, Tensor], ids: Tensor, logits: Tensor, precision: str
) -> None:
    reloaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=DTYPES[precision])
    found = reloaded.state_dict()
    other = [name for name in weights if name not in found or not torch.equal(found[name], weights[name])]
    if other or found.keys() != weights.keys():
        raise _unfaithful(f"{len(other)} of {len(weights)} weights differ ({', '.join(other[:3])})")
    apart = float((probe_logits(reloaded, ids, precision) - logits).abs().max() / logits.abs().max())
    if not apart <= TOLERANCES[precision]:
        raise _unfaithful(f"its logits differ by {apart:.1e} of the largest")


def _unfaithful(how: str) -> ModelError:
    return ModelError(
        f"the exported model is not the trained one: {how}",
        expected="the same weights, and the same logits but for rounding",
        fix="run again: training is done and is not repeated; report it if it happens again",
    )


def _set_generation_defaults(model: Any, tokenizer: Any, template: ChatTemplate) -> None:
    """Stop at the template's end token, and at what the base model stops at."""
    config = model.generation_config
    config.eos_token_id = end_ids(model, tokenizer, template)
    if config.pad_token_id is None:
        known = tokenizer.pad_token_id
        config.pad_token_id = known if known is not None else config.eos_token_id[0]
    config.bos_token_id = tokenizer.bos_token_id
