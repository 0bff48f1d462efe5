"""Training whole: what it leaves, what it drops, and that an interruption changes nothing."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from gukbap.adapters.progress import SilentProgress
from gukbap.chat_templates import load_template
from gukbap.config import TrainSettings
from gukbap.errors import ConfigError, GukbapError, InputError, ModelError
from gukbap.files import read_json
from gukbap.schemas import Row
from gukbap.stages.train import TrainResult, train
from gukbap.stages.train.checkpoints import MARKER, newest_complete
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.items import training_items
from gukbap.stages.train.schedule import learning_rate_factor
from gukbap.stages.train.watch import TrainingWatch
from tests.stages.train.examples import row, rows, settings, weights


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


def run(
    base: Path,
    folder: Path,
    chosen: TrainSettings | None = None,
    training: list[Row] | None = None,
    name: str = "model",
) -> TrainResult:
    return train(
        chosen or settings(),
        training or rows(11),
        rows(3),
        base,
        folder / name,
        folder / "work",
        SilentProgress(),
    )


def same_weights(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


def interrupt_at(monkeypatch: pytest.MonkeyPatch, method: str, step: int, deed: Any) -> None:
    """Do `deed` in the callback `method` once, at `step`."""
    original = getattr(TrainingWatch, method)

    def replaced(self: TrainingWatch, args: Any, state: Any, control: Any, **rest: Any) -> Any:
        if state.global_step == step:
            deed()
        return original(self, args, state, control, **rest)

    monkeypatch.setattr(TrainingWatch, method, replaced)


def kill() -> None:
    raise Killed


@pytest.fixture(scope="module")
def whole(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """An uninterrupted training."""
    return run(base, tmp_path_factory.mktemp("whole"))


def test_training_lowers_both_losses_and_records_its_course(whole: TrainResult) -> None:
    statistics = whole.statistics
    assert statistics["rows"] == 11 and statistics["steps"] == 6 and statistics["dropped"] == {}
    assert statistics["validation_loss"] < statistics["base_loss"]
    assert statistics["validation_full_loss"] < statistics["base_full_loss"]
    points = [point for point in statistics["history"] if "validation_loss" in point]
    assert [(point["step"], point["epoch"]) for point in points] == [(0, 0.0), (3, 1.0), (6, 2.0)]
    losses = [point for point in statistics["history"] if "loss" in point]
    assert [point["step"] for point in losses] == [1, 2, 3, 4, 5, 6]
    assert losses[0]["learning_rate"] == pytest.approx(1e-3)
    json.dumps(statistics, allow_nan=False)


def test_the_base_loss_is_the_untrained_models(base: Path, whole: TrainResult) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from gukbap.stages.train.encoding import encode_rows

    model = AutoModelForCausalLM.from_pretrained(base)
    template = load_template("mistral-v0.2")
    total, count = 0.0, 0
    for example in encode_rows(rows(3), AutoTokenizer.from_pretrained(base), template, 256, "x").examples:
        with torch.no_grad():
            chances = model(input_ids=torch.tensor([example.ids])).logits[0].log_softmax(-1)
        for position in range(1, len(example.ids)):
            if example.trained[position]:
                total -= chances[position - 1, example.ids[position]].item()
                count += 1
    assert whole.statistics["base_loss"] == pytest.approx(total / count, rel=1e-4)


def test_the_model_folder_is_served_as_it_was_trained(whole: TrainResult) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(whole.model)
    template = load_template("mistral-v0.2")
    assert tokenizer.chat_template == template.jinja
    assert AutoModelForCausalLM.from_pretrained(whole.model).generation_config.eos_token_id == [2]
    facts = read_json(whole.model / "gukbap_model.json")
    assert facts["chat_template_sha256"] == template.sha256
    assert facts["base_model"] == "random://mistral-tiny?seed=1"
    assert facts["losses"]["validation_loss"] == whole.statistics["validation_loss"]
    assert TrainSettings.model_validate(facts["settings"]) == settings()


def test_gemma_stops_at_its_turn_end_and_at_the_models_own(base: Path, tmp_path: Path) -> None:
    result = run(base, tmp_path, settings(template="gemma", epochs=1))
    assert read_json(result.model / "generation_config.json")["eos_token_id"] == [7, 2]


@pytest.mark.parametrize(
    ("method", "step"), [("on_step_end", 3), ("on_step_end", 5), ("on_epoch_end", 3), ("on_save", 4)]
)
def test_a_killed_training_ends_with_the_same_weights(
    base: Path, tmp_path: Path, whole: TrainResult, monkeypatch: pytest.MonkeyPatch, method: str, step: int
) -> None:
    """on_save at 4: the checkpoint's files are there, its marker is not."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, method, step, kill)
        with pytest.raises(Killed):
            run(base, tmp_path)
    assert not (tmp_path / "model").exists()
    resumed = run(base, tmp_path)
    assert same_weights(resumed.model, whole.model)
    assert resumed.statistics["history"] == whole.statistics["history"]


def test_a_kill_at_an_epochs_checkpoint_still_measures_the_epoch(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = settings(save_every_steps=3)
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_epoch_end", 3, kill)
        with pytest.raises(Killed):
            run(base, tmp_path, chosen)
    history = run(base, tmp_path, chosen).statistics["history"]
    assert [point["step"] for point in history if "validation_loss" in point] == [0, 3, 6]


def test_a_damaged_newest_checkpoint_is_passed_over(
    base: Path, tmp_path: Path, whole: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_step_end", 5, kill)
        with pytest.raises(Killed):
            run(base, tmp_path)
    checkpoints = tmp_path / "work" / "checkpoints"
    weights_file = checkpoints / "checkpoint-4" / "model.safetensors"
    os.truncate(weights_file, weights_file.stat().st_size // 2)
    newest = newest_complete(checkpoints, SilentProgress())
    assert newest is not None and newest.name == "checkpoint-3", "the best one so far is saved as well"
    assert not (checkpoints / "checkpoint-4").exists()
    assert same_weights(run(base, tmp_path).model, whole.model)


def test_an_interruption_finishes_the_step_and_saves(
    base: Path, tmp_path: Path, whole: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = signal.getsignal(signal.SIGINT)  # ignored, where the tests run behind a shell's `&`
    with monkeypatch.context() as patch:
        interrupt_at(patch, "on_step_end", 3, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            run(base, tmp_path)
    newest = newest_complete(tmp_path / "work" / "checkpoints", SilentProgress())
    assert newest is not None and (newest / MARKER).is_file()
    assert newest.name in ("checkpoint-3", "checkpoint-4")
    assert signal.getsignal(signal.SIGINT) is usual
    assert same_weights(run(base, tmp_path).model, whole.model)


def test_another_trainings_checkpoints_are_not_used(base: Path, tmp_path: Path) -> None:
    run(base, tmp_path)
    other = run(base, tmp_path, settings(learning_rate=2e-3), name="other")
    losses = [point for point in other.statistics["history"] if "loss" in point]
    assert losses[0]["learning_rate"] == pytest.approx(2e-3)


def test_frozen_embeddings_stay_and_the_rest_moves(base: Path, tmp_path: Path) -> None:
    tuned = weights(run(base, tmp_path, settings(freeze_embeddings=True, epochs=1)).model)
    before = weights(base)
    moved = {name for name in before if not torch.equal(before[name], tuned[name])}
    assert "model.embed_tokens.weight" not in moved
    assert "lm_head.weight" in moved and "model.layers.0.mlp.up_proj.weight" in moved


def test_checkpointing_and_bfloat16_train_too(base: Path, tmp_path: Path) -> None:
    result = run(base, tmp_path, settings(precision="bfloat16", gradient_checkpointing=True))
    assert result.statistics["validation_loss"] < result.statistics["base_loss"]
    assert {tensor.dtype for tensor in weights(result.model).values()} == {torch.bfloat16}


def test_rows_that_cannot_be_trained_are_dropped_and_counted(base: Path, tmp_path: Path) -> None:
    odd = [row(90, ("질문?", " ")), row(91, ("길다", "아" * 200))]
    twice = row(92, ("a", "b"))
    twice = twice.model_copy(update={"messages": [twice.messages[0], *twice.messages]})
    result = run(base, tmp_path, settings(epochs=1), [*rows(4), *odd, twice])
    assert result.statistics["rows"] == 4
    assert result.statistics["dropped"] == {
        "empty answer": 1,
        "over max_length": 1,
        "roles out of order": 1,
    }


def test_no_row_left_is_one_clear_error(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no training row is left of 11 \(11 × over max_length\)"):
        run(base, tmp_path, settings(max_length=32))


def test_max_length_over_the_models_positions(base: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at most 4096"):
        run(base, tmp_path, settings(max_length=8192))


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be loaded"):
        run(tmp_path, tmp_path)


def test_a_base_model_with_broken_weights_is_refused(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    broken.mkdir()
    for path in base.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    tensors = load_file(base / "model.safetensors")
    tensors["model.norm.weight"][0] = math.nan
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(GukbapError, match="the validation loss is nan"):
        run(broken, tmp_path)


@pytest.mark.parametrize("logs", [{"loss": math.nan}, {"loss": 1.0, "grad_norm": math.inf}])
def test_a_diverging_training_ends_before_its_checkpoint(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logs: dict[str, float]
) -> None:
    original = TrainingWatch.on_log

    def diverging(self: TrainingWatch, args: Any, state: Any, control: Any, **rest: Any) -> None:
        rest["logs"] = {**rest["logs"], **logs} if state.global_step == 2 else rest["logs"]
        original(self, args, state, control, **rest)

    monkeypatch.setattr(TrainingWatch, "on_log", diverging)
    with pytest.raises(GukbapError, match="at step 2"):
        run(base, tmp_path)
    assert newest_complete(tmp_path / "work" / "checkpoints", SilentProgress()) is None


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [1.0, 0.775, 0.55, 0.325]),
        ("cosine", [1.0, 0.868198, 0.55, 0.231802]),
        ("constant", [1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_schedules(schedule: str, expected: list[float]) -> None:
    factor = learning_rate_factor(settings(schedule=schedule).train, 4)
    assert [factor(step) for step in range(4)] == pytest.approx(expected, abs=1e-6)


def test_warm_up_rises_to_the_full_rate() -> None:
    factor = learning_rate_factor(settings(warmup_ratio=0.5).train, 8)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def test_the_package_needs_no_torch_to_be_imported() -> None:
    code = (
        "import sys, gukbap.stages.train; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_loss_that_explodes_ends_the_training_and_names_the_rows_of_the_step(
    base: Path, tmp_path: Path
) -> None:
    chosen = settings(learning_rate=1.0, max_grad_norm=1000.0, save_every_steps=1)
    with pytest.raises(GukbapError, match="the training loss became") as caught:
        run(base, tmp_path, chosen)
    step = int(re.findall(r"at step (\d+)", caught.value.problem)[0])
    assert step > 1
    assert len(re.findall(r"\br\d+\b", caught.value.problem)) == (3 if step % 3 == 0 else 4)
    assert "twice that of a blind guess" in str(caught.value)
    left = newest_complete(tmp_path / "work" / "checkpoints", SilentProgress())
    assert left is not None and left.name == f"checkpoint-{step - 1}"
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("batching", ["grouped", "random", "packed"])
def test_the_rows_of_each_step_are_known(base: Path, batching: str) -> None:
    from transformers import AutoModelForCausalLM

    chosen = settings(batching=batching)
    model = AutoModelForCausalLM.from_pretrained(base)
    examples = [Example([1, 2, 3], [False, True, True], row_id=f"r{n}") for n in range(11)]
    items = training_items(examples, chosen, model, 0)
    for epoch in range(2):
        steps = range(epoch * items.epoch_steps + 1, (epoch + 1) * items.epoch_steps + 1)
        found = [row_id for step in steps for row_id in items.rows_of_step(step)]
        assert sorted(found) == sorted(f"r{n}" for n in range(11))
