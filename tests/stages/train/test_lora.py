"""LoRA: adapters alone are trained and saved, and end in the weights of a plain model."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from gukbap.config import TrainSettings
from gukbap.errors import ConfigError
from gukbap.stages.train import TrainResult
from gukbap.stages.train.forecast.process import Training
from gukbap.stages.train.forecast.shapes import ModelShape
from tests.stages.train.examples import settings, weights
from tests.stages.train.test_train import Killed, interrupt_at, kill, run, same_weights

pytest.importorskip("peft")
TARGETS = ["q_proj", "v_proj", "down_proj"]


def lora(**more: Any) -> TrainSettings:
    """Adapters on some matrices, with dropout."""
    chosen = {"rank": 4, "alpha": 8, "dropout": 0.1, "target_modules": TARGETS}
    return settings(**{"lora": chosen, "learning_rate": 0.02, **more})


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, Path]:
    """An uninterrupted training, and where it worked."""
    folder = tmp_path_factory.mktemp("lora")
    return run(base, folder, lora(selection="last")), folder / "work"


def test_adapters_learn_and_end_in_their_matrices_alone(base: Path, whole: tuple[TrainResult, Path]) -> None:
    result, work = whole
    assert result.statistics["validation_loss"] < result.statistics["base_loss"] - 0.1
    before, after = weights(base), weights(result.model)
    assert before.keys() == after.keys(), "a plain model"
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name.split(".")[-2] for name in moved} == set(TARGETS) and len(moved) == 2 * len(TARGETS)
    adapters = load_file(work / "checkpoints" / "checkpoint-6" / "adapter_model.safetensors")
    for name in moved:
        down, up = (adapters[name.replace(".weight", f".lora_{which}.weight")] for which in "AB")
        assert torch.allclose(after[name], before[name] + 8 / 4 * (up @ down), atol=1e-6), name


def test_a_checkpoint_holds_adapters_and_their_states_alone(
    base: Path, whole: tuple[TrainResult, Path]
) -> None:
    shape = ModelShape("mistral", 64, 2, 4, 2, 16, 128, 265, tied=False)
    checkpoint = whole[1] / "checkpoints" / "checkpoint-6"
    adapters = load_file(checkpoint / "adapter_model.safetensors")
    trained = sum(tensor.numel() for tensor in adapters.values())
    assert trained == Training(shape, lora().train, None, on_gpu=False).trainable  # type: ignore[arg-type]
    states = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"].values()
    assert sum(state["exp_avg"].numel() for state in states) == trained
    assert not (checkpoint / "model.safetensors").exists()


def test_a_killed_training_ends_with_the_same_weights(
    base: Path, tmp_path: Path, whole: tuple[TrainResult, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_step_end", 5, kill)
        with pytest.raises(Killed):
            run(base, tmp_path, lora(selection="last"))
    resumed = run(base, tmp_path, lora(selection="last"))
    assert resumed.statistics["history"] == whole[0].statistics["history"]
    assert same_weights(resumed.model, whole[0].model)


def test_the_chosen_checkpoints_adapters_are_merged(base: Path, tmp_path: Path) -> None:
    """Far too high a learning rate: a middle checkpoint has the lowest loss."""
    chosen = lora(selection="validation_loss", evaluate_every_steps=1, learning_rate=0.3)
    result = run(base, tmp_path, chosen)
    best = result.statistics["selection"]["step"]
    assert best < 6
    adapters = load_file(
        tmp_path / "work" / "checkpoints" / f"checkpoint-{best}" / "adapter_model.safetensors"
    )
    name = "model.layers.1.mlp.down_proj"
    change = weights(result.model)[f"{name}.weight"] - weights(base)[f"{name}.weight"]
    down, up = (adapters[f"{name}.lora_{which}.weight"] for which in "AB")
    assert torch.allclose(change, 2 * up @ down, atol=1e-5)


@pytest.mark.slow
def test_two_processes_train_the_same_adapters(base: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("GUKBAP_QUIET", "1")
    none: dict[str, Any] = {"lora": {"rank": 4, "target_modules": TARGETS}, "selection": "last"}
    one = run(base, tmp_path / "one", lora(**none))
    two = run(base, tmp_path / "two", lora(**none, processes=2, gradient_accumulation=1))
    left, right = weights(one.model), weights(two.model)
    assert all(torch.allclose(left[name], right[name], atol=1e-5) for name in left)
    shutil.rmtree(tmp_path / "two" / "work")


def test_bfloat16_with_checkpointing_is_merged_too(base: Path, tmp_path: Path) -> None:
    chosen = lora(precision="bfloat16", gradient_checkpointing=True, batching="packed", epochs=1)
    result = run(base, tmp_path, chosen)
    assert {tensor.dtype for tensor in weights(result.model).values()} == {torch.bfloat16}


def test_what_does_not_go_together_is_refused(base: Path) -> None:
    from transformers import AutoConfig, GPT2LMHeadModel

    from gukbap.stages.train.lora import add_adapters

    with pytest.raises(ValueError, match="lora does not go with sharding 'fsdp'"):
        lora(processes=2, sharding="fsdp")
    other = GPT2LMHeadModel(AutoConfig.for_model("gpt2", n_layer=1, n_embd=8, n_head=1, vocab_size=20))
    with pytest.raises(ConfigError, match="target_modules are not in GPT2LMHeadModel"):
        add_adapters(other, lora())
