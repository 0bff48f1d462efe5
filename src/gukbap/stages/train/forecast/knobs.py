"""The cheapest change of a recipe that makes its training fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from gukbap.config import Recipe, TrainConfig

#: No row is shorter than this many tokens in a setting that is proposed.
SHORTEST = 512
MOST_PROCESSES = 64


@dataclass(frozen=True)
class Setup:
    """What a change may touch.

    Attributes:
        train: the recipe's `train` section.
        max_length: the recipe's `student.max_length`.
    """

    train: TrainConfig
    max_length: int

    @classmethod
    def of(cls, recipe: Recipe) -> Setup:
        """A recipe's."""
        return cls(recipe.train, recipe.student.max_length)

    def changes_to(self, other: Setup) -> list[str]:
        """What turns this into another, as `--set` takes it."""
        mine, wanted = self.train.model_dump(), other.train.model_dump()
        changed = [f"train.{key}={_written(wanted[key])}" for key in mine if mine[key] != wanted[key]]
        if self.max_length != other.max_length:
            changed.append(f"student.max_length={other.max_length}")
        return changed


Knob = Callable[[Setup], Iterator[Setup]]


def _written(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _with(setup: Setup, **values: object) -> Setup:
    return Setup(setup.train.model_copy(update=values), setup.max_length)


def _smaller_batch(setup: Setup) -> Iterator[Setup]:
    """Fewer rows at once, as many a step: the same training, a little slower."""
    size, accumulation = setup.train.per_device_batch_size, setup.train.gradient_accumulation
    while size % 2 == 0:
        size, accumulation = size // 2, accumulation * 2
        yield _with(setup, per_device_batch_size=size, gradient_accumulation=accumulation)
    if size > 1:
        yield _with(setup, per_device_batch_size=1, gradient_accumulation=accumulation * size)


def _checkpointing(setup: Setup) -> Iterator[Setup]:
    """The same training, a third more operations."""
    if not setup.train.gradient_checkpointing:
        yield _with(setup, gradient_checkpointing=True)


def _bfloat16(setup: Setup) -> Iterator[Setup]:
    """Other rounding, and faster."""
    if setup.train.precision == "float32":
        yield _with(setup, precision="bfloat16")


def _sharding(setup: Setup) -> Iterator[Setup]:
    """The same training on the same GPUs, with more traffic between them."""
    if setup.train.processes > 1 and setup.train.sharding == "none" and setup.train.lora is None:
        yield _with(setup, sharding="fsdp")


def _frozen_embeddings(setup: Setup) -> Iterator[Setup]:
    """Another training: the embeddings stay as they are."""
    if not setup.train.freeze_embeddings and setup.train.lora is None:
        yield _with(setup, freeze_embeddings=True)


def _shorter_rows(setup: Setup) -> Iterator[Setup]:
    """Other data: longer rows are dropped."""
    length = setup.max_length // 2
    while length >= SHORTEST:
        yield Setup(setup.train, length)
        length //= 2


def _more_processes(setup: Setup) -> Iterator[Setup]:
    """The same training on more GPUs."""
    processes, accumulation = setup.train.processes * 2, setup.train.gradient_accumulation
    while setup.train.lora is None and processes <= MOST_PROCESSES and accumulation % 2 == 0:
        accumulation //= 2
        yield _with(setup, processes=processes, gradient_accumulation=accumulation, sharding="fsdp")
        processes *= 2


#: The cheapest first: what costs time, then what changes the training, then what costs data or money.
KNOBS: Sequence[Knob] = (
    _smaller_batch,
    _checkpointing,
    _bfloat16,
    _sharding,
    _frozen_embeddings,
    _more_processes,
    _shorter_rows,
)


def cheapest_change(setup: Setup, fits: Callable[[Setup], bool]) -> Setup | None:
    """The setup that fits with the fewest and cheapest changes; None where no combination does.

    One knob is tried before two, two before three; of as many, the cheaper ones and the smaller turns.
    """
    for count in range(1, len(KNOBS) + 1):
        for chosen in combinations(KNOBS, count):
            for changed in _turned(setup, chosen):
                if fits(changed):
                    return changed
    return None


def _turned(setup: Setup, knobs: Sequence[Knob]) -> Iterator[Setup]:
    if not knobs:
        yield setup
        return
    for once in knobs[0](setup):
        yield from _turned(once, knobs[1:])
