"""The training's part of `gukbap plan`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

import click

from gukbap.adapters.model_configurations import local_configuration, model_name
from gukbap.config import Recipe
from gukbap.errors import ConfigError, GukbapError, ModelError
from gukbap.recipes import overridden
from gukbap.stages.train.forecast import (
    KNOWN_SHAPES,
    Data,
    Gpu,
    Hardware,
    ModelShape,
    TrainingForecast,
    find_gpu,
    forecast_training,
)
from gukbap.stages.train.forecast.shapes import MODEL_TYPES

GIB = 1 << 30
GPU_LABEL = "nvidia.com/gpu.product"
#: Of a GPU's memory, what should be left: the overhead is an estimate.
MARGIN = 0.05
#: Share of the peak rate that all operations together reach: an assumption, with rows one by one and
#: parameters gathered over NVLink. PaLM's authors report 58 % (arXiv 2204.02311, appendix B).
UTILISATION = 0.3

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Options:
    """What the command line says of hardware and data; None: what the recipe means."""

    gpu: str | None
    gpus: int | None
    gpu_hour_price: float | None
    utilisation: float
    tokens_per_second: float | None
    rows: int | None
    row_tokens: float | None


def training_options(command: _F) -> _F:
    """Add the options of `Options` to a command."""
    for option in reversed(
        (
            click.option(
                "--gpu",
                metavar="NAME",
                help="Kind of GPU, for example A100-40GB, or NAME=GIB:TFLOPS; the recipe's node selector "
                "says it otherwise.",
            ),
            click.option("--gpus", type=click.IntRange(min=1), help="How many, instead of train.processes."),
            click.option("--gpu-hour-price", type=click.FloatRange(min=0), help="What a GPU costs an hour."),
            click.option(
                "--utilisation",
                type=click.FloatRange(min=0, max=1, min_open=True),
                default=UTILISATION,
                show_default=True,
                help="Share of the GPU's peak rate that is reached.",
            ),
            click.option(
                "--tokens-per-second",
                type=click.FloatRange(min=0, min_open=True),
                help="A measured rate of training, all processes together; goes before --utilisation.",
            ),
            click.option("--rows", type=click.IntRange(min=1), help="Training rows; at most, otherwise."),
            click.option(
                "--row-tokens",
                type=click.FloatRange(min=1),
                help="Tokens of a row on average; as long as replies may be, otherwise.",
            ),
        )
    ):
        command = option(command)
    return command


def plan_training(recipe: Recipe, candidates: int, options: Options) -> TrainingForecast | None:
    """The forecast of a recipe's training; None where its model's sizes are not known here.

    Args:
        recipe: the whole recipe.
        candidates: rows that generation makes where none is dropped.
        options: hardware and data as the command line has them.
    """
    shape = _shape(recipe.student.model)
    if shape is None:
        return None
    if options.gpus is not None:
        recipe = _on_gpus(recipe, options.gpus)
    elif recipe.cluster.trainer == "trainjob":
        processes = recipe.train.processes * recipe.cluster.nodes
        recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"processes": processes})})
    return forecast_training(recipe, shape, _data(recipe, candidates, options), _hardware(recipe, options))


def training_lines(found: TrainingForecast) -> list[str]:
    """A short table for people."""
    memory, work = found.memory, found.work
    where = f"each of {found.processes} processes" if found.processes > 1 else "the process"
    on = f" on {found.gpu}" if found.gpu else ""
    lines = [
        f"training: {found.parameters / 1e6:,.1f} million parameters, {found.trainable / 1e6:,.1f} trained; "
        f"{work.steps:,} steps, {work.tokens:,} tokens, {work.operations:.2e} operations",
        f"  memory of {where}{on}, at its most ({found.moment}):",
    ]
    for name, size in asdict(memory).items():
        if size:
            lines.append(f"    {name:12}{size / GIB:8.2f} GiB")
    verdict = "fits" if found.fits else "does not fit"
    limit = "" if found.capacity is None else f" of {found.capacity / GIB:.1f}: {verdict}"
    lines.append(f"    {'together':12}{memory.total / GIB:8.2f} GiB{limit}")
    if found.hours is not None:
        cost = "" if found.cost is None else f", cost {found.cost:.2f}"
        lines.append(f"  {found.hours:.2f} hours{cost}")
    return lines


def training_notes(found: TrainingForecast | None, recipe: Recipe, options: Options) -> list[str]:
    """What a reader should know of the training's figures."""
    if found is None:
        return [
            f"training is not forecast: the sizes of {recipe.student.model} are not known here (its "
            f"config.json is not on this machine, or its kind is none of {', '.join(MODEL_TYPES)})"
        ]
    notes = ["training: memory is that of rows of student.max_length tokens, all trained"]
    if options.rows is None or options.row_tokens is None:
        notes.append(
            "training: every row is kept and as long as its replies may be; say --rows and --row-tokens"
        )
    if found.capacity is None:
        notes += _capacity_notes(found, recipe, options)
    elif found.fits and found.memory.total > (1 - MARGIN) * found.capacity:
        left = 1 - found.memory.total / found.capacity
        notes.append(f"training: it fits with {left:.1%} to spare, and the overhead is an estimate")
    if found.hours is None:
        notes.append(
            "training: no rate is known, so no hours are told; measure it and say --tokens-per-second"
        )
    elif options.tokens_per_second is None:
        notes.append(f"training: {options.utilisation:.0%} of the GPU's peak rate is an assumption")
    return notes


def _capacity_notes(found: TrainingForecast, recipe: Recipe, options: Options) -> list[str]:
    if recipe.cluster.train.gpus or options.gpus:
        return ["training: whether it fits is not told, since no kind of GPU is known; say --gpu"]
    asked = recipe.cluster.train.memory
    together = found.processes * found.memory.total
    if together > int(asked[:-2]) * (GIB if asked.endswith("Gi") else 1 << 20):
        return [
            f"training: takes {together / GIB:.1f} GiB, and a cluster gives it {asked} (cluster.train.memory)"
        ]
    return []


def refusal(found: TrainingForecast) -> GukbapError:
    """The error of a training that cannot fit."""
    assert found.capacity is not None
    fix = " ".join(f"--set {change}" for change in found.fix)
    return GukbapError(
        f"the training of {found.model} takes {found.memory.total / GIB:.1f} GiB a GPU",
        expected=f"at most {found.capacity / GIB:.1f} GiB",
        fix=f"the cheapest change that fits is {fix}"
        if fix
        else "nothing in the recipe makes it fit; take GPUs with more memory (--gpu)",
    )


def _shape(uri: str) -> ModelShape | None:
    configuration = local_configuration(uri)
    if configuration is None:
        return KNOWN_SHAPES.get(model_name(uri))
    try:
        return ModelShape.from_config(configuration)
    except ModelError:
        return None


def _on_gpus(recipe: Recipe, gpus: int) -> Recipe:
    changes = [f"train.processes={gpus}"]
    if recipe.cluster.train.gpus:
        changes.append(f"cluster.train.gpus={gpus}")
    if gpus == 1:
        changes.append("train.sharding=none")
    return overridden(recipe, changes, where=f"{recipe.name} on {gpus} GPU(s)")


def _hardware(recipe: Recipe, options: Options) -> Hardware:
    label = recipe.cluster.gpu_node_selector.get(GPU_LABEL) if recipe.cluster.train.gpus else None
    gpu = find_gpu(options.gpu) if options.gpu else _labelled(label)
    on_gpu = bool(gpu or recipe.cluster.train.gpus or options.gpus)
    return Hardware(gpu, on_gpu, options.gpu_hour_price, options.utilisation, options.tokens_per_second)


def _labelled(label: str | None) -> Gpu | None:
    try:
        return find_gpu(label) if label else None
    except ConfigError:  # a node's label that the table does not have; --gpu tells more
        return None


def _data(recipe: Recipe, candidates: int, options: Options) -> Data:
    config = recipe.generate
    kept = min(candidates, config.max_rows or candidates)
    left = max(1, kept - recipe.split.validation_rows)
    longest = config.evolve_max_tokens + config.answer_max_tokens
    return Data(
        rows=options.rows or min(left, recipe.split.train_rows or left),
        tokens=options.row_tokens or longest,
        trained_share=config.answer_max_tokens / longest,
    )
