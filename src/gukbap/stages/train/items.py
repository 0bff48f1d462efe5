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

    items: Sequence[Example] | Sequence[Pack]
    sampler: EpochSampler
    collator: Callable[[Any], dict[str, Tensor]]
    statistics: dict[str, Any]
    checks: list[IsolationCheck]


def training_items(
    examples: Sequence[Example], settings: TrainSettings, model: Any, pad_id: int
) -> TrainingItems:
    """Items as `train.batching` wants them: an example each, or a pack of `student.max_length` tokens.

    Several processes take equally many items: where an epoch does not come out even, blank ones, in
    which nothing is trained, stand at its end. accelerate would train some rows twice instead.
    """
    blank = Example([pad_id], [False])
    if settings.train.batching == "packed":
        packs = pack_examples(examples, settings.student.max_length)
        sampler = epoch_sampler([tokens_of(pack) for pack in packs], settings)
        collator = PackCollator(pad_id, flat="flash" in model.config._attn_implementation)
        fill = sum(len(example.ids) for example in examples) / (len(packs) * settings.student.max_length)
        return TrainingItems(
            [*packs, *[(blank,)] * (len(sampler) - len(packs))],
            sampler,
            collator,
            {"packs": len(packs), "pack_fill": fill},
            [IsolationCheck(collator, bfloat16=settings.train.precision == "bfloat16")],
        )
    sampler = epoch_sampler([len(example.ids) for example in examples], settings)
    items = [*examples, *[blank] * (len(sampler) - len(examples))]
    return TrainingItems(items, sampler, Collator(pad_id), {}, [])
