"""Steps and operations, by hand and against the trainer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gukbap.stages.train.forecast import KNOWN_SHAPES, Data
from gukbap.stages.train.forecast.work import steps_of, work_of
from gukbap.stages.train.order import steps_per_epoch
from tests.stages.train.examples import settings
from tests.stages.train.forecast.shapes import TINY, training

MATRICES = 2 * 64 + 2 * 32 + 3 * 128


@pytest.mark.parametrize("rows", [1, 7, 8, 1849])
@pytest.mark.parametrize(("size", "accumulation", "processes"), [(1, 1, 1), (2, 3, 1), (1, 8, 4)])
def test_steps_are_the_trainers(rows: int, size: int, accumulation: int, processes: int) -> None:
    found = settings(
        per_device_batch_size=size, gradient_accumulation=accumulation, processes=processes, epochs=3
    )
    assert steps_of(rows, found.train) == 3 * steps_per_epoch(rows, found)


def test_operations_counted_by_hand() -> None:
    found = work_of(training(epochs=1), Data(rows=2, tokens=4, trained_share=0.5))
    tokens, trained = 8, 4
    # A token looks back over 2 others on average: 2 products of 8 numbers, 2 operations each.
    forward = tokens * 2 * (2 * MATRICES + 4 * 2 * 8)
    head = 2 * trained * 80
    assert found.tokens == tokens
    assert found.model_operations == 3 * (forward + head)
    assert found.operations == found.model_operations


def test_checkpointing_computes_the_layers_once_more() -> None:
    data = Data(rows=2, tokens=4)
    plain, again = (work_of(training(epochs=1, gradient_checkpointing=on), data) for on in (False, True))
    forward = 8 * 2 * (2 * MATRICES + 4 * 2 * 8)
    assert again.operations - plain.operations == forward
    assert again.model_operations == plain.model_operations


def test_a_window_bounds_what_is_looked_back_on() -> None:
    data = Data(rows=1, tokens=64)
    full = work_of(training(), data).operations
    windowed = work_of(training(replace(TINY, window=8, sliding_layers=2)), data).operations
    seen = sum(min(position, 8) for position in range(65)) / 64
    assert full - windowed == pytest.approx(2 * 64 * 3 * 4 * 2 * 8 * (32 - seen), rel=0.05)


def test_a_large_model_takes_six_operations_a_parameter_and_token() -> None:
    shape = KNOWN_SHAPES["mistralai/Mistral-7B-Instruct-v0.2"]
    found = work_of(training(shape, epochs=1), Data(rows=1, tokens=100))
    without_embedding = shape.parameters - shape.embedding
    assert found.model_operations == pytest.approx(6 * without_embedding * 100, rel=0.01)


def test_packs_make_fewer_steps_of_the_same_work() -> None:
    data = Data(rows=1000, tokens=100)
    rows, packs = (
        work_of(training(length=1000, epochs=1, batching=batching), data) for batching in ("random", "packed")
    )
    assert (rows.steps, packs.steps) == (1000, 100)
    assert rows.operations == packs.operations
