"""Validation losses, in all and by category."""

from __future__ import annotations

import math
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from gukbap.adapters.progress import SilentProgress
from gukbap.chat_templates import load_template
from gukbap.schemas import Row
from gukbap.stages.train.batches import Collator
from gukbap.stages.train.encoding import encode_rows
from gukbap.stages.train.loss import use_answer_loss
from gukbap.stages.train.measurements import Measurements, perplexity
from gukbap.stages.train.validation import validation_losses
from tests.stages.train.examples import rows


def test_categories_are_measured_each_and_together(base: Path, tmp_path: Path) -> None:
    chosen = [
        Row.model_validate({**row.model_dump(), "category": name})
        for row, name in zip(rows(7), ["math", "writing"] * 4, strict=False)
    ]
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    use_answer_loss(model)

    def measured(some: list[Row]) -> dict[str, float]:
        examples = encode_rows(some, tokenizer, load_template("mistral-v0.2"), 256, "validation").examples
        return validation_losses(
            model, examples, Collator(0), 2, torch.device("cpu"), SilentProgress(), Mock()
        )

    found = measured(chosen)
    assert set(found) == {"answer_loss", "full_loss", "category/math", "category/writing"}
    for name in ("math", "writing"):
        alone = measured([row for row in chosen if row.category == name])
        assert found[f"category/{name}"] == pytest.approx(alone["answer_loss"], rel=1e-5)
    measurements = Measurements(tmp_path / "m.json", writes=True)
    measurements.record(0, 0.0, found)
    measurements.record(3, 1.0, {**found, "category/math": 2.0})
    math_row = Measurements(tmp_path / "m.json", writes=False).by_category(3)["math"]
    assert math_row == {
        "base_loss": found["category/math"],
        "validation_loss": 2.0,
        "validation_perplexity": math.exp(2.0),
    }


def test_a_loss_beyond_all_measure_has_a_perplexity() -> None:
    assert perplexity(0.0) == 1.0
    assert math.isfinite(perplexity(1e6))
