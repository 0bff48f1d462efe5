"""In which order rows are trained: by seed and epoch alone, so that a resumed epoch goes on in it."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import Sampler
from transformers import TrainerCallback

from gukbap.config import TrainSettings

#: Rows are sorted by length among as many as fill so many micro-batches: two neighbours of the sorted
#: window then differ by about a thirtieth of the range of lengths.
WINDOW = 32


class EpochSampler(Sampler[int]):
    """Positions in the data set; `set_epoch` chooses the epoch's order.

    Args:
        order: all positions in the order of an epoch (from 0); it has no state.
        count: how many there are.
    """

    def __init__(self, order: Callable[[int], list[int]], count: int) -> None:
        self._order, self._count, self._epoch = order, count, 0

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be that of `epoch`."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions(self._epoch))

    def positions(self, epoch: int) -> list[int]:
        """All positions in the order of an epoch (from 0)."""
        return self._order(epoch)

    def __len__(self) -> int:
        return self._count


class EpochCallback(TrainerCallback):  # type: ignore[misc]  # transformers is read untyped
    """Tells the sampler which epoch begins.

    accelerate does so too, but not where several processes go on within an epoch: its skipping loader
    stands around the sharding one, and the epoch does not get through to the sampler.

    Args:
        epoch_steps: optimiser steps of an epoch.
    """

    def __init__(self, sampler: EpochSampler, epoch_steps: int) -> None:
        self._sampler, self._epoch_steps = sampler, epoch_steps

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called before the epoch's first batch, be it the first of all or not."""
        self._sampler.set_epoch(state.global_step // self._epoch_steps)


def epoch_sampler(lengths: Sequence[int], settings: TrainSettings) -> EpochSampler:
    """The sampler for items of the given lengths, as `train.batching` wants them.

    For several processes it goes on behind the items, up to a number that is the same for each.
    """
    train = settings.train
    micro = train.per_device_batch_size
    step = items_per_step(settings)
    blanks = -len(lengths) % (micro * train.processes) if train.processes > 1 else 0
    behind = list(range(len(lengths), len(lengths) + blanks))

    def order(epoch: int) -> list[int]:
        # Seeded with text, which Python hashes in the same way everywhere.
        source = random.Random(f"{settings.seed}/{epoch}")
        shuffled = source.sample(range(len(lengths)), len(lengths))
        if train.batching != "grouped":
            return shuffled + behind
        return _grouped(shuffled, lengths, micro, step, source) + behind

    return EpochSampler(order, len(lengths) + blanks)


def steps_per_epoch(items: int, settings: TrainSettings) -> int:
    """Optimiser steps of an epoch, the last one perhaps over fewer items (rows or packs)."""
    micro = math.ceil(items / (settings.train.per_device_batch_size * settings.train.processes))
    return math.ceil(micro / settings.train.gradient_accumulation)


def items_per_step(settings: TrainSettings) -> int:
    """Items (rows or packs) of a whole optimiser step, on all processes together."""
    train = settings.train
    return train.per_device_batch_size * train.processes * train.gradient_accumulation


def _grouped(
    shuffled: Sequence[int], lengths: Sequence[int], micro: int, step: int, source: random.Random
) -> list[int]:
    """Neighbours of alike length, with every optimiser step's rows still close to a random choice.

    Rows are sorted by length within windows of whole steps. Where one step has WINDOW micro-batches or
    more, the window is the step: it holds the very rows that the random order gives it, and as a step's
    gradient does not depend on the order within, grouping changes nothing but the time. Smaller steps
    share a window, and are put back into a random order.
    """
    order: list[int] = []
    # An incomplete step stays last, since the steps are cut where their rows end.
    whole = len(shuffled) // step * step
    for window in _cut(shuffled[:whole], math.ceil(WINDOW * micro / step) * step):
        blocks = _cut(_ranked(window, lengths), step)
        source.shuffle(blocks)
        order += [item for block in blocks for item in block]
    return order + _ranked(shuffled[whole:], lengths)


def _ranked(items: Sequence[int], lengths: Sequence[int]) -> list[int]:
    return sorted(items, key=lambda item: lengths[item], reverse=True)


def _cut(items: Sequence[int], size: int) -> list[Sequence[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
