"""What the Trainer's data loader is given: rows or packs of rows, their order, and their collator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from gukbap.config import TrainSettings
from gukbap.stages.train.batches import Collator, Pack, PackCollator, pack_examples, tokens_of
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.isolation import IsolationCheck
from gukbap.stages.train.order import EpochSampler, epoch_sampler


@dataclass(frozen=True)
class TrainingItems:
    """A map-style data set with the sampler and the collator that go with it, figures about it, and
    what must be checked before it is trained."""

    items: list[Example] | list[Pack]
    sampler: EpochSampler
    collator: Callable[[Any], dict[str, Tensor]]
    statistics: dict[str, Any]
    checks: list[IsolationCheck]


def training_items(
    examples: Sequence[Example], settings: TrainSettings, model: Any, pad_id: int
) -> TrainingItems:
    """Items as `train.batching` wants them: an example each, or a pack of `student.max_length` tokens."""
    if settings.train.batching == "packed":
        packs = pack_examples(examples, settings.student.max_length)
        lengths = [tokens_of(pack) for pack in packs]
        collator = PackCollator(pad_id, flat="flash" in model.config._attn_implementation)
        fill = sum(lengths) / (len(packs) * settings.student.max_length)
        return TrainingItems(
            packs,
            epoch_sampler(lengths, settings),
            collator,
            {"packs": len(packs), "pack_fill": fill},
            [IsolationCheck(collator, bfloat16=settings.train.precision == "bfloat16")],
        )
    lengths = [len(example.ids) for example in examples]
    return TrainingItems(list(examples), epoch_sampler(lengths, settings), Collator(pad_id), {}, [])
