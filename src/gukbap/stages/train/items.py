"""What the Trainer's data loader is given: rows or packs of rows, their order, and their collator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gukbap.config import TrainSettings
from gukbap.stages.train.batches import Collator, Pack, PackCollator, pack_examples, tokens_of
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.order import EpochSampler, epoch_sampler


@dataclass(frozen=True)
class TrainingItems:
    """A map-style data set with the sampler and the collator that go with it, and figures about it."""

    items: list[Example] | list[Pack]
    sampler: EpochSampler
    collator: Callable[[Any], dict[str, Tensor]]
    statistics: dict[str, Any]


def training_items(
    examples: Sequence[Example], settings: TrainSettings, model: Any, pad_id: int
) -> TrainingItems:
    """Items as `train.batching` wants them: an example each, or a pack of `student.max_length` tokens."""
    if settings.train.batching == "packed":
        packs = pack_examples(examples, settings.student.max_length)
        lengths = [tokens_of(pack) for pack in packs]
        flat = "flash" in model.config._attn_implementation
        fill = sum(lengths) / (len(packs) * settings.student.max_length)
        statistics = {"packs": len(packs), "pack_fill": fill}
        return TrainingItems(
            packs, epoch_sampler(lengths, settings), PackCollator(pad_id, flat=flat), statistics
        )
    lengths = [len(example.ids) for example in examples]
    return TrainingItems(list(examples), epoch_sampler(lengths, settings), Collator(pad_id), {})
