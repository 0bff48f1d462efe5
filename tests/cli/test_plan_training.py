"""`gukbap plan`: the training's part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gukbap.cli import cli
from tests.command import gukbap

CARD = "gukbap-mistral-7b"
TOO_MUCH = ("--set", "train.per_device_batch_size=8", "--set", "train.gradient_checkpointing=false")


def told(*arguments: str) -> str:
    """What a plan that ends well prints; in this process, which saves the start of one."""
    done = CliRunner().invoke(cli, ["plan", *arguments])
    assert done.exception is None, done.exception
    return done.stdout


def planned(*arguments: str) -> dict[str, Any]:
    """The JSON's training part of such a plan."""
    found: dict[str, Any] = json.loads(told(*arguments, "--json"))["training"]
    return found


def test_the_reference_recipe_fits(tmp_path: Path) -> None:
    done = gukbap("plan", CARD, "--gpu-hour-price", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of 39.4: fits" in done.stdout
    assert ", cost " in done.stdout
    assert "30% of the GPU's peak rate is an assumption" in done.stdout


def test_json_has_the_parts_and_no_invented_cost() -> None:
    found = planned(CARD, "--rows", "1849", "--row-tokens", "1500")
    assert set(found["memory"]) == {
        "parameters",
        "gradients",
        "optimiser",
        "gathered",
        "activations",
        "logits",
        "overhead",
    }
    assert (found["fits"], found["fix"], found["cost"]) == (True, [], None)
    assert found["work"]["steps"] == 116
    assert found["work"]["tokens"] == 1849 * 1500 * 2
    assert found["processes"] == 4


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_cannot_fit_is_refused_after_all_is_said(tmp_path: Path, form: tuple[str, ...]) -> None:
    done = gukbap("plan", CARD, *TOO_MUCH, *form, cwd=tmp_path)
    assert done.returncode == 1
    assert "expected: at most 39.4 GiB" in done.stderr
    fix = "--set train.per_device_batch_size=1 --set train.gradient_accumulation=64"
    assert f"next: the cheapest change that fits is {fix}" in done.stderr
    assert "Traceback" not in done.stderr
    if form:
        assert json.loads(done.stdout)["training"]["fits"] is False
    else:
        assert "does not fit" in done.stdout
        assert "- training: memory is that of rows" in done.stdout


def test_other_gpus_and_their_number() -> None:
    found = planned(CARD, *TOO_MUCH[:2], "--gpu", "H200", "--gpus", "8")
    assert (found["processes"], found["fits"]) == (8, True)
    assert found["capacity"] > 139 << 30


def test_a_cpu_recipe_has_no_hours_until_a_rate_is_measured() -> None:
    found = planned("smoke", "--gpu-hour-price", "2")
    assert (found["hours"], found["cost"], found["capacity"], found["fits"]) == (None, None, None, None)
    assert found["parameters"] > 0
    rated = planned("smoke", "--tokens-per-second", "64", "--rows", "90", "--row-tokens", "64")
    assert rated["hours"] == pytest.approx(90 / 3600)


def test_what_a_reader_must_know_where_no_capacity_is_known() -> None:
    assert "no kind of GPU is known; say --gpu" in told("smoke", "--gpus", "1")
    small = told("smoke", "--set", "cluster.train.memory=512Mi")
    assert "and a cluster gives it 512Mi (cluster.train.memory)" in small
    assert "cluster gives" not in told("smoke")


def test_a_narrow_fit_is_told() -> None:
    assert "to spare, and the overhead is an estimate" in told("gukbap-qwen2-7b")
    assert "to spare" not in told(CARD)


def test_a_model_whose_sizes_are_not_here_is_no_error() -> None:
    document = json.loads(told("smoke", "--set", "student.model=hf://nobody/nothing@main", "--json"))
    assert document["training"] is None
    assert any("hf://nobody/nothing@main are not known here" in note for note in document["notes"])


def test_sizes_come_from_a_local_configuration(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    sizes = {
        "model_type": "llama",
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "vocab_size": 10,
    }
    (model / "config.json").write_text(json.dumps(sizes), encoding="utf-8")
    assert planned("smoke", "--set", f"student.model=file://{model}")["parameters"] == 1352


def test_an_unknown_gpu_is_a_wrong_invocation(tmp_path: Path) -> None:
    done = gukbap("plan", CARD, "--gpu", "TPU", cwd=tmp_path)
    assert done.returncode == 2
    assert "NAME=GIB:TFLOPS" in done.stderr


def test_planning_does_not_wait_for_torch(tmp_path: Path) -> None:
    # `python -m` looks into the working folder first: this torch goes before the real one.
    (tmp_path / "torch.py").write_text("raise ImportError('planning imported torch')", encoding="utf-8")
    done = gukbap("plan", CARD, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "of 39.4: fits" in done.stdout
