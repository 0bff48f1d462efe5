"""Examples to batches: padded, or packed without padding."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import torch
from torch import Tensor

from gukbap.stages.train.encoding import Example
from gukbap.stages.train.loss import IGNORED

#: Examples that are laid end to end in one row of a batch.
Pack = tuple[Example, ...]


class Collator:
    """Pads on the right; padding is masked by position, never by its id.

    So a padding id that equals the end token (as with models without a padding token) does no harm:
    the end token's own label stays.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, examples: Sequence[Example]) -> dict[str, Tensor]:
        """`input_ids`, `attention_mask` and `labels`, each [batch, longest example]."""
        length = max(len(example.ids) for example in examples)
        ids = torch.full((len(examples), length), self.pad_id)
        mask = torch.zeros_like(ids)
        labels = torch.full_like(ids, IGNORED)
        for row, example in enumerate(examples):
            size = len(example.ids)
            ids[row, :size], labels[row, :size] = _tensors(example)
            mask[row, :size] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}


class PackCollator:
    """Lays each pack's examples end to end, with positions that begin anew at each, and no mask.

    From the positions transformers sees where a document begins: eager and SDPA attention get a
    block-diagonal mask (within the sliding window where a layer has one), flash attention gets the
    documents' borders. It sees them only without an attention mask and with use_cache=False.

    Args:
        pad_id: fills the shorter packs of a batch, as a document of its own that nothing attends to.
        flat: lay the packs of a batch end to end too, as flash attention wants it.
    """

    def __init__(self, pad_id: int, *, flat: bool) -> None:
        self.pad_id, self.flat = pad_id, flat

    def __call__(self, packs: Sequence[Pack]) -> dict[str, Tensor]:
        """`input_ids`, `position_ids` and `labels`, each [batch, longest pack], or [1, all tokens]."""
        if self.flat:
            packs = [tuple(example for pack in packs for example in pack)]
        length = max(tokens_of(pack) for pack in packs)
        ids = torch.full((len(packs), length), self.pad_id)
        labels = torch.full_like(ids, IGNORED)
        positions = torch.empty_like(ids)
        for row, pack in enumerate(packs):
            start = 0
            for example in pack:
                end = start + len(example.ids)
                ids[row, start:end], labels[row, start:end] = _tensors(example)
                labels[row, start] = IGNORED  # nothing of its own document stands before it
                positions[row, start:end] = torch.arange(end - start)
                start = end
            positions[row, start:] = torch.arange(length - start)
        return {"input_ids": ids, "position_ids": positions, "labels": labels}


def tokens_of(pack: Pack) -> int:
    """The tokens of a pack."""
    return sum(len(example.ids) for example in pack)


def pack_examples(examples: Sequence[Example], capacity: int) -> list[Pack]:
    """Fill packs of at most `capacity` tokens: best fit, the longest examples first.

    The result depends on nothing but the examples. Every example fits into a pack of its own.
    """
    packs: list[list[Example]] = []
    room: list[tuple[int, int]] = []  # the room left in each pack, with its number, in rising order
    for example in sorted(examples, key=lambda example: len(example.ids), reverse=True):
        size = len(example.ids)
        place = bisect.bisect_left(room, (size, 0))
        if place == len(room):
            left, number = capacity, len(packs)
            packs.append([])
        else:
            left, number = room.pop(place)
        packs[number].append(example)
        bisect.insort(room, (left - size, number))
    return [tuple(pack) for pack in packs]


def _tensors(example: Example) -> tuple[Tensor, Tensor]:
    """Ids and labels of an example."""
    ids = torch.tensor(example.ids)
    return ids, torch.where(torch.tensor(example.trained), ids, IGNORED)
