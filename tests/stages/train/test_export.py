"""The exported folder is the trained model, or it does not appear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from gukbap.errors import ModelError
from gukbap.files import read_json, write_json
from gukbap.stages.train import export, training
from tests.stages.train.examples import settings, weights
from tests.stages.train.test_train import run


def test_the_export_says_the_dtype_of_its_weights(base: Path, tmp_path: Path) -> None:
    """The master weights are float32, and a server that reads float32 would load twice the memory."""
    model = run(base, tmp_path, settings(precision="bfloat16", epochs=1)).model
    assert read_json(model / "config.json")["dtype"] == "bfloat16"


def _with_other_weights(folder: Path) -> None:
    tensors = weights(folder)
    tensors["model.norm.weight"][0] += 0.01
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _with_another_configuration(folder: Path) -> None:
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "rms_norm_eps": 0.1})


@pytest.mark.parametrize(
    ("spoil", "words"),
    [(_with_other_weights, r"weights differ \(model.norm.weight\)"), (_with_another_configuration, "logits")],
)
def test_an_export_that_is_not_the_trained_model_does_not_appear(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], words: str
) -> None:
    usual = export._require_the_same

    def spoilt(folder: Path, *rest: Any) -> None:
        spoil(folder)
        usual(folder, *rest)

    monkeypatch.setattr(export, "_require_the_same", spoilt)
    with pytest.raises(ModelError, match=words):
        run(base, tmp_path, settings(epochs=1))
    assert not (tmp_path / "model").exists()


def test_the_optimiser_is_gone_before_the_exported_model_is_loaded(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, held = training._export, []

    def watched(trainer: Any, *rest: Any) -> None:
        held.append(
            trainer.optimizer.state or [one for one in trainer.model.parameters() if one.grad is not None]
        )
        usual(trainer, *rest)

    monkeypatch.setattr(training, "_export", watched)
    run(base, tmp_path, settings(epochs=1))
    assert [len(one) for one in held] == [0]
