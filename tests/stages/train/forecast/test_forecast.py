"""Verdicts, the cheapest change, hours and cost."""

from __future__ import annotations

import pytest

from gukbap.errors import ConfigError
from gukbap.recipes import load_recipe
from gukbap.stages.train.forecast import (
    KNOWN_SHAPES,
    Data,
    Gpu,
    Hardware,
    TrainingForecast,
    find_gpu,
    forecast_training,
)

GIB = 1 << 30
MISTRAL = KNOWN_SHAPES["mistralai/Mistral-7B-Instruct-v0.2"]


def told(*overrides: str, gpu: Gpu | None = None, price: float | None = None) -> TrainingForecast:
    hardware = Hardware(gpu or find_gpu("A100-40GB"), True, price, 0.3, None)
    recipe = load_recipe("gukbap-mistral-7b", overrides)
    return forecast_training(recipe, MISTRAL, Data(1849, 1500, 0.8), hardware)


def test_the_reference_recipe_fits_on_four_gpus_of_40_gb() -> None:
    found = told()
    assert found.fits is True
    assert found.fix == []
    assert 35 * GIB < found.memory.total < 39.4 * GIB
    assert found.work.steps == 116


def test_batch_8_without_checkpointing_is_refused_with_the_knobs_to_turn() -> None:
    found = told("train.per_device_batch_size=8", "train.gradient_checkpointing=false")
    assert found.fits is False
    assert found.fix == [
        "train.per_device_batch_size=1",
        "train.gradient_accumulation=64",
        "train.gradient_checkpointing=true",
    ]
    turned = told("train.per_device_batch_size=8", "train.gradient_checkpointing=false", *found.fix)
    assert turned.fits is True


ADAPTERS = ("train.lora={rank: 16}", "train.sharding=none")


def test_adapters_take_the_frozen_model_and_hardly_anything_more() -> None:
    """Mistral-7B: 41.9 million numbers at rank 16 on every matrix."""
    found = told(*ADAPTERS, "student.max_length=4096")
    assert found.trainable == 41_943_040
    assert found.memory.parameters == 4 * (7_241_732_096 + found.trainable)
    assert found.memory.optimiser == 8 * found.trainable
    assert found.fits is True


def test_what_is_proposed_for_adapters_is_a_recipe() -> None:
    """They do not go with shards."""
    found = told(*ADAPTERS, "train.per_device_batch_size=4", "train.gradient_checkpointing=false")
    assert found.fits is False and found.fix
    assert told(*ADAPTERS, "train.gradient_checkpointing=false", *found.fix).fits is True


def test_one_knob_is_tried_before_two() -> None:
    assert told("train.per_device_batch_size=4").fix == [
        "train.per_device_batch_size=1",
        "train.gradient_accumulation=32",
    ]
    assert told("train.gradient_checkpointing=false").fix == ["train.gradient_checkpointing=true"]
    assert told("train.sharding=none").fix == ["train.sharding=fsdp"]


def test_more_processes_keep_the_global_batch_and_bring_their_gpus() -> None:
    found = told(gpu=find_gpu("24GB=23.5:165"))
    assert found.fix == ["train.gradient_accumulation=4", "train.processes=8", "cluster.train.gpus=8"]


def test_what_nothing_helps_is_told() -> None:
    found = told(gpu=find_gpu("toy=1:10"))
    assert (found.fits, found.fix) == (False, [])


def test_hours_and_cost() -> None:
    found = told(price=1.5)
    assert found.hours == pytest.approx(found.work.operations / (4 * 312e12 * 0.3) / 3600)
    assert found.hours is not None
    assert found.cost == pytest.approx(4 * 1.5 * found.hours)
    assert told().cost is None


def test_no_hours_are_told_from_a_rate_of_other_numbers() -> None:
    assert told("train.precision=float32").hours is None


def test_a_measured_rate_goes_before_an_assumed_one() -> None:
    recipe = load_recipe("gukbap-mistral-7b")
    hardware = Hardware(None, False, 1.0, 0.3, tokens_per_second=100.0)
    found = forecast_training(recipe, MISTRAL, Data(10, 360), hardware)
    assert found.hours == pytest.approx(10 * 360 * 2 / 100 / 3600)
    assert (found.cost, found.capacity, found.fits) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("NVIDIA-A100-SXM4-40GB", "A100-SXM4-40GB"),
        ("a100-80gb", "A100-SXM4-80GB"),
        ("H200", "H200"),
        ("NVIDIA-L4", "L4"),
    ],
)
def test_gpus_are_found_by_label_or_short_name(name: str, gpu: str) -> None:
    assert find_gpu(name).name == gpu


def test_an_own_gpu() -> None:
    assert find_gpu("MI250=64:181") == Gpu("MI250", 64 * GIB, 181e12)


@pytest.mark.parametrize("name", ["A100", "TPU", "nvidia", "x=1"])
def test_an_unclear_gpu_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="NAME=GIB:TFLOPS"):
        find_gpu(name)
