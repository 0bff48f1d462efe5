"""The forecast held against the peak memory of real trainings."""

from __future__ import annotations

import pytest

from bench.training_memory import GIVES_BACK, measured


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wide", "deep", "long, ckpt"])
def test_live_memory_is_forecast_within_a_tenth(name: str) -> None:
    found = measured(name, GIVES_BACK)
    assert found["live"] == pytest.approx(found["measured"], rel=0.1)
