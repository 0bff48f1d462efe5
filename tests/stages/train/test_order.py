"""The order of training: by seed and epoch alone, grouped by length, and the same after a resume."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from gukbap.stages.train import loss as loss_module
from gukbap.stages.train.batches import pack_examples, tokens_of
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.order import EpochSampler, epoch_sampler
from tests.stages.train.examples import settings
from tests.stages.train.test_train import Killed, interrupt_at, kill, run, same_weights

BATCHINGS = ("grouped", "random", "packed")


def lengths(count: int) -> list[int]:
    source = random.Random(3)
    return [source.randint(10, 500) for _ in range(count)]


def order(sampler: EpochSampler, epoch: int) -> list[int]:
    sampler.set_epoch(epoch)
    return list(sampler)


def cut(items: list[int], size: int) -> list[list[int]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


@pytest.mark.parametrize("batching", BATCHINGS)
def test_an_epochs_order_depends_on_seed_and_epoch_alone(batching: str) -> None:
    chosen = settings(batching=batching)
    one, other = (epoch_sampler(lengths(101), chosen) for _ in range(2))
    second = order(one, 1)
    assert sorted(second) == list(range(101)) and len(one) == 101
    assert order(one, 0) != second and order(one, 1) == second == order(other, 1)
    seeded = epoch_sampler(lengths(101), chosen.model_copy(update={"seed": 8}))
    assert order(seeded, 1) != second


def padding(batches: list[list[int]], sizes: list[int]) -> float:
    """The share of padded tokens."""
    held = sum(max(sizes[item] for item in batch) * len(batch) for batch in batches)
    return 1 - sum(sizes) / held


def test_grouping_takes_most_of_the_padding_away() -> None:
    sizes = lengths(600)
    shares = {}
    for batching in ("random", "grouped"):
        chosen = settings(batching=batching, per_device_batch_size=4, gradient_accumulation=1)
        shares[batching] = padding(cut(order(epoch_sampler(sizes, chosen), 0), 4), sizes)
    assert shares["random"] > 0.3 and shares["grouped"] < 0.1


def test_large_steps_hold_the_rows_of_the_random_order() -> None:
    steps = {}
    for batching in ("random", "grouped"):
        chosen = settings(batching=batching, per_device_batch_size=1, gradient_accumulation=8, processes=4)
        steps[batching] = cut(order(epoch_sampler(lengths(100), chosen), 5), 32)
    for grouped, at_random in zip(steps["grouped"], steps["random"], strict=True):
        assert sorted(grouped) == sorted(at_random)
    sizes = lengths(100)
    for step in steps["grouped"]:
        assert [sizes[item] for item in step] == sorted((sizes[item] for item in step), reverse=True)


def test_the_rows_of_a_step_do_not_depend_on_the_number_of_processes() -> None:
    one = settings(per_device_batch_size=2, gradient_accumulation=4)
    four = settings(per_device_batch_size=2, gradient_accumulation=1, processes=4)
    sizes = lengths(90)
    assert order(epoch_sampler(sizes, one), 2) == order(epoch_sampler(sizes, four), 2)[:90]


@pytest.mark.parametrize("batching", BATCHINGS)
def test_processes_get_equally_many_items_and_no_row_twice(batching: str) -> None:
    chosen = settings(batching=batching, per_device_batch_size=2, processes=4)
    sampler = epoch_sampler(lengths(90), chosen)
    found = order(sampler, 0)
    assert len(sampler) == len(found) == 96
    assert sorted(found[:90]) == list(range(90)) and found[90:] == list(range(90, 96))


def test_packs_hold_each_example_once_and_are_full() -> None:
    examples = [Example([n] * size, [False, *[True] * (size - 1)]) for n, size in enumerate(lengths(300))]
    packs = pack_examples(examples, 512)
    assert sorted(example.ids[0] for pack in packs for example in pack) == list(range(300))
    assert all(tokens_of(pack) <= 512 for pack in packs)
    assert len(packs) <= 1.03 * sum(lengths(300)) / 512
    assert packs == pack_examples(examples, 512)


def seen(monkeypatch: pytest.MonkeyPatch, action: Any) -> list[list[list[int]]]:
    """The `input_ids` of every training batch that a model computes during `action`."""
    batches: list[list[list[int]]] = []
    original = loss_module._forward

    def recording(model: Any, **given: Any) -> Any:
        if model.training:
            batches.append(given["input_ids"].tolist())
        return original(model, **given)

    with monkeypatch.context() as patch:
        patch.setattr(loss_module, "_forward", recording)
        action()
    return batches


@pytest.mark.parametrize(
    ("batching", "stops"), [("grouped", (1, 3, 5)), ("random", (4,)), ("packed", (1, 3))]
)
def test_a_stopped_training_goes_on_with_the_same_batches(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batching: str, stops: tuple[int, ...]
) -> None:
    """Within the first epoch, at its end, and within the second."""
    chosen = settings(batching=batching, save_every_steps=1, gradient_accumulation=1 + (batching != "packed"))
    results = {}
    whole = seen(monkeypatch, lambda: results.update({0: run(base, tmp_path / "whole", chosen)}))
    steps = results[0].statistics["steps"]
    assert max(stops) < steps
    for step in stops:
        folder = tmp_path / str(step)
        with monkeypatch.context() as patch:
            interrupt_at(patch, "on_step_end", step + 1, kill)
            with pytest.raises(Killed):
                run(base, folder, chosen)
        rest = seen(monkeypatch, lambda: results.update({step: run(base, folder, chosen)}))  # noqa: B023
        assert 0 < len(rest) < len(whole)
        assert rest == whole[len(whole) - len(rest) :]
        assert same_weights(results[step].model, results[0].model)
        assert results[step].statistics["history"] == results[0].statistics["history"]
