"""Examples to padded batches."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gukbap.stages.train.encoding import Example
from gukbap.stages.train.loss import IGNORED


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
            tokens = torch.tensor(example.ids)
            ids[row, :size] = tokens
            mask[row, :size] = 1
            labels[row, :size] = torch.where(torch.tensor(example.trained), tokens, IGNORED)
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}
