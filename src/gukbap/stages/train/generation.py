"""Answers of a model under training: greedy, in batches, as it will be served."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig

from gukbap.chat_templates import ChatTemplate, end_token_id
from gukbap.stages.train.forward import as_served
from gukbap.stages.train.limits import DEV_BATCH


@dataclass(frozen=True)
class Generated:
    """New token ids, the end token left out, and whether there was one."""

    ids: list[int]
    ended: bool


def greedy_answers(
    model: Any,
    prompts: Sequence[Sequence[int]],
    ends: Sequence[int],
    pause: Callable[[], None],
    *,
    max_new_tokens: int,
    precision: str,
    sharded: bool,
) -> list[Generated]:
    """Continue each prompt (token ids) up to one of the `ends`; in the order of the prompts.

    `pause` is called before each batch of them.

    A sharded model gathers each layer for each token, over all prompts of a batch at once: 7 billion
    parameters in bfloat16 take about 50 ms a token where GPUs gather 230 GB/s, whatever the batch. Every
    process has to call it with the same prompts, and gets all answers; they go on together until the last
    of them has ended.
    """
    found: dict[int, Generated] = {}
    longest_first = sorted(range(len(prompts)), key=lambda place: (-len(prompts[place]), place))
    with as_served(model, precision):
        for start in range(0, len(prompts), DEV_BATCH):
            pause()
            places = longest_first[start : start + DEV_BATCH]
            batch = [prompts[place] for place in places]
            new = _continued(model, batch, ends, max_new_tokens, sharded=sharded)
            found.update(zip(places, (_until_end(ids, ends) for ids in new), strict=True))
    return [found[place] for place in range(len(prompts))]


def end_ids(model: Any, tokenizer: Any, template: ChatTemplate) -> list[int]:
    """What an answer ends with: the template's end token first, then what the base model stops at."""
    known = model.generation_config.eos_token_id
    if known is None:
        known = tokenizer.eos_token_id
    others = known if isinstance(known, list) else [known]
    first = end_token_id(tokenizer, template)
    return list(dict.fromkeys([first, *(token for token in others if token is not None)]))


def _continued(
    model: Any, prompts: Sequence[Sequence[int]], ends: Sequence[int], most: int, *, sharded: bool
) -> list[list[int]]:
    width, pad = max(map(len, prompts)), ends[0]
    ids = torch.tensor([[pad] * (width - len(prompt)) + [*prompt] for prompt in prompts])
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    config = GenerationConfig(
        do_sample=False, max_new_tokens=most, pad_token_id=pad, eos_token_id=[*ends], use_cache=True
    )
    device = next(model.parameters()).device
    output = model.generate(
        input_ids=ids.to(device),
        attention_mask=mask.to(device),
        generation_config=config,
        synced_gpus=sharded,
    )
    new: list[list[int]] = output[:, width:].tolist()
    return new


def _until_end(ids: list[int], ends: Sequence[int]) -> Generated:
    for place, token in enumerate(ids):
        if token in ends:
            return Generated(ids[:place], ended=True)
    return Generated(ids, ended=False)
