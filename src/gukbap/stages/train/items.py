"""What the Trainer's data loader is given: rows or packs of rows, their order, and their collator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers import TrainerCallback

from gukbap.config import TrainSettings
from gukbap.stages.train.batches import Collator, Pack, PackCollator, pack_examples, tokens_of
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.isolation import IsolationCheck
from gukbap.stages.train.order import (
    EpochCallback,
    EpochSampler,
    epoch_sampler,
    items_per_step,
    steps_per_epoch,
)


@dataclass(frozen=True)
class TrainingItems:
    """A map-style data set, the sampler, the collator and the callbacks that go with it, and figures
    about it."""

    items: Sequence[Example] | Sequence[Pack]
    sampler: EpochSampler
    collator: Callable[[Any], dict[str, Tensor]]
    epoch_steps: int
    step_items: int
    callbacks: list[TrainerCallback]
    statistics: dict[str, Any]

    def rows_of_step(self, step: int) -> list[str]:
        """The ids of the rows that an optimiser step (from 1) is taken over, each once."""
        epoch, within = divmod(step - 1, self.epoch_steps)
        examples = self._examples_of(self._steps(epoch)[within])
        return list(dict.fromkeys(example.row_id for example in examples if example.row_id))

    def trained_tokens_by_step(self, epoch: int) -> list[int]:
        """How many tokens each step of an epoch (from 0) trains, on all processes together."""
        return [
            sum(sum(example.trained) for example in self._examples_of(places))
            for places in self._steps(epoch)
        ]

    def _steps(self, epoch: int) -> list[list[int]]:
        places = self.sampler.positions(epoch)
        return [places[start : start + self.step_items] for start in range(0, len(places), self.step_items)]

    def _examples_of(self, places: Sequence[int]) -> Iterator[Example]:
        for place in places:
            item = self.items[place]
            yield from (item,) if isinstance(item, Example) else item


def training_items(
    examples: Sequence[Example], settings: TrainSettings, model: Any, pad_id: int
) -> TrainingItems:
    """Items as `train.batching` wants them: an example each, or a pack of `student.max_length` tokens.

    Several processes take equally many items: where an epoch does not come out even, blank ones, in
    which nothing is trained, stand at its end. accelerate would train some rows twice instead.
    """
    items: list[Any]
    collator: Callable[[Any], dict[str, Tensor]]
    blank: Any = Example([pad_id], [False])
    checks: list[TrainerCallback] = []
    statistics: dict[str, Any] = {}
    if settings.train.batching == "packed":
        items, blank = [*pack_examples(examples, settings.student.max_length)], (blank,)
        lengths = [tokens_of(pack) for pack in items]
        collator = PackCollator(pad_id, flat="flash" in model.config._attn_implementation)
        checks = [IsolationCheck(collator, bfloat16=settings.train.precision == "bfloat16")]
        fill = sum(lengths) / (len(items) * settings.student.max_length)
        statistics = {"packs": len(items), "pack_fill": fill}
    else:
        items, collator = [*examples], Collator(pad_id)
        lengths = [len(example.ids) for example in examples]
    sampler = epoch_sampler(lengths, settings)
    items += [blank] * (len(sampler) - len(items))
    epoch_steps = steps_per_epoch(len(items), settings)
    callbacks = [EpochCallback(sampler, epoch_steps), *checks]
    return TrainingItems(
        items, sampler, collator, epoch_steps, items_per_step(settings), callbacks, statistics
    )
