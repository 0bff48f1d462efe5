"""The forecast of a recipe's training on given hardware."""

from __future__ import annotations

from dataclasses import dataclass, replace

from gukbap.config import Recipe
from gukbap.stages.train.forecast.activations import Batch
from gukbap.stages.train.forecast.allocator import kept_after_freeing
from gukbap.stages.train.forecast.hardware import GIB, Gpu
from gukbap.stages.train.forecast.knobs import Setup, cheapest_change
from gukbap.stages.train.forecast.memory import peak
from gukbap.stages.train.forecast.process import Memory, Training
from gukbap.stages.train.forecast.shapes import ModelShape
from gukbap.stages.train.forecast.work import Data, Work, work_of

SECONDS_AN_HOUR = 3600
#: What a process takes besides tensors, in bytes. Not measured here: a CUDA context with its libraries'
#: workspaces, and NCCL's buffers where processes talk.
CUDA_CONTEXT, NCCL = GIB, GIB
#: Python with torch, transformers and all that training imports, measured on a CPU
#: (bench/training_memory.py prints it as "before").
RUNTIME = 430 << 20
#: Of a fast tokenizer, a token of the vocabulary: measured with 152 and 262 thousand of them.
TOKENIZER_ENTRY = 850
#: What the allocator holds of a GPU besides live tensors, as a share of those; not measured here either.
FRAGMENTATION = 0.03


@dataclass(frozen=True)
class Hardware:
    """What a training runs on.

    Attributes:
        gpu: of which kind; None: CPUs, or not known.
        on_gpu: whether it runs on GPUs at all.
        hour_price: of one GPU, in any currency; None: not known, and no cost is told.
        utilisation: of the GPU's peak rate, all operations counted.
        tokens_per_second: of all processes together, where it was measured; goes before `utilisation`.
    """

    gpu: Gpu | None
    on_gpu: bool
    hour_price: float | None
    utilisation: float
    tokens_per_second: float | None


@dataclass(frozen=True)
class TrainingForecast:
    """What a recipe's training takes.

    Attributes:
        parameters, trainable: of the model.
        processes: one a GPU.
        moment: of a step, at which a process holds most.
        memory: then, of one process, in bytes by part.
        gpu: of which kind; None: CPUs, or not known.
        capacity: of a GPU, in bytes; None where that is not known.
        work: steps, tokens and operations.
        hours: None where no rate is known, as with float32.
        cost: None where no price is known.
        fits: None where the capacity is not known.
        fix: overrides (`train.x=y`) that make it fit; empty where it fits, or nothing would.
    """

    model: str
    parameters: int
    trainable: int
    processes: int
    moment: str
    memory: Memory
    gpu: str | None
    capacity: int | None
    work: Work
    hours: float | None
    cost: float | None
    fits: bool | None
    fix: list[str]


def forecast_training(recipe: Recipe, shape: ModelShape, data: Data, hardware: Hardware) -> TrainingForecast:
    """Forecast the training of a recipe, whose `train.processes` is their number on all nodes.

    Args:
        data: rows are taken as no longer than `student.max_length`; the memory is that of a batch of rows
            of that length, all of it trained.
    """
    setup = Setup.of(recipe)
    training = _training(setup, shape, hardware)
    moment, memory = _peak(training)
    capacity = hardware.gpu.memory if hardware.gpu else None
    fits = None if capacity is None else memory.total <= capacity
    work = work_of(training, replace(data, tokens=min(data.tokens, setup.max_length)))
    hours = _hours(work, training, hardware)
    return TrainingForecast(
        model=recipe.student.model,
        parameters=shape.parameters,
        trainable=training.trainable,
        processes=recipe.train.processes,
        moment=moment,
        memory=memory,
        gpu=hardware.gpu.name if hardware.gpu else None,
        capacity=capacity,
        work=work,
        hours=hours,
        cost=_cost(hours, recipe.train.processes, hardware),
        fits=fits,
        fix=_fix(recipe, shape, hardware) if fits is False else [],
    )


def _cost(hours: float | None, gpus: int, hardware: Hardware) -> float | None:
    if hours is None or hardware.hour_price is None or not hardware.on_gpu:
        return None
    return hours * gpus * hardware.hour_price


def _training(setup: Setup, shape: ModelShape, hardware: Hardware) -> Training:
    batch = Batch.largest(
        setup.train.per_device_batch_size, setup.max_length, packed=setup.train.batching == "packed"
    )
    return Training(shape, setup.train, batch, hardware.on_gpu)


def _peak(training: Training) -> tuple[str, Memory]:
    moment, memory = peak(training)
    if not training.on_gpu:
        tokenizer = TOKENIZER_ENTRY * training.shape.vocabulary
        return moment, replace(memory, overhead=RUNTIME + tokenizer + kept_after_freeing(training))
    talking = NCCL if training.config.processes > 1 else 0
    overhead = CUDA_CONTEXT + talking + round(FRAGMENTATION * memory.total)
    return moment, replace(memory, overhead=overhead)


def _fix(recipe: Recipe, shape: ModelShape, hardware: Hardware) -> list[str]:
    def fits(changed: Setup) -> bool:
        assert hardware.gpu is not None
        return _peak(_training(changed, shape, hardware))[1].total <= hardware.gpu.memory

    setup = Setup.of(recipe)
    found = cheapest_change(setup, fits)
    if found is None:
        return []
    changes = setup.changes_to(found)
    if recipe.cluster.train.gpus and found.train.processes != setup.train.processes:
        changes.append(f"cluster.train.gpus={found.train.processes}")
    return changes


def _hours(work: Work, training: Training, hardware: Hardware) -> float | None:
    if hardware.tokens_per_second is not None:
        return work.tokens / hardware.tokens_per_second / SECONDS_AN_HOUR
    if hardware.gpu is None or training.mode == "float32":  # a GPU's rate is that of bfloat16
        return None
    rate = hardware.gpu.rate * hardware.utilisation * training.config.processes
    return work.operations / rate / SECONDS_AN_HOUR
