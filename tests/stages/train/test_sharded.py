"""FSDP2 in two and four real processes on CPUs (gloo): the same numbers as without, whatever is killed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save

from gukbap.adapters.progress import SilentProgress
from gukbap.errors import GukbapError
from gukbap.files import read_json
from gukbap.stages.train import TrainResult, launch, train
from gukbap.stages.train.checkpoints import newest_complete
from tests.stages.train.examples import rows, settings, weights
from tests.stages.train.sharded_worker import DEED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def on_cpus() -> Any:
    """Processes that shard on CPUs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "WORKER", "tests.stages.train.sharded_worker")
        patch.setattr(launch, "require_machine", lambda *_: None)
        patch.setenv("GUKBAP_QUIET", "1")
        yield


def run(base: Path, folder: Path, **chosen: Any) -> TrainResult:
    """Six steps of eight rows."""
    there = settings(**{"sharding": "fsdp", **chosen})
    return train(there, rows(20), rows(3), base, folder / "model", folder / "work", SilentProgress())


def close(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(
        torch.allclose(left[name], right[name], atol=1e-5) for name in left
    )


def same(one: Path, other: Path) -> bool:
    left, right = weights(one), weights(other)
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def losses(result: TrainResult) -> list[float]:
    keys = ("loss", "validation_loss", "validation_full_loss")
    return [point[key] for point in result.statistics["history"] for key in keys if key in point]


@pytest.fixture(scope="module")
def alone(base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """One process, nothing sharded."""
    return run(base, tmp_path_factory.mktemp("alone"), sharding="none", processes=1, gradient_accumulation=4)


@pytest.fixture(scope="module")
def uninterrupted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainResult, Path]:
    """Two processes, sharded, with two micro-steps a step; and where they worked."""
    folder = tmp_path_factory.mktemp("whole")
    return run(base, folder, processes=2, gradient_accumulation=2), folder


def test_two_processes_with_shards_train_as_one_without(
    uninterrupted: tuple[TrainResult, Path], alone: TrainResult
) -> None:
    result, _ = uninterrupted
    assert losses(result) == pytest.approx(losses(alone), rel=1e-5)
    assert close(result.model, alone.model)
    assert result.statistics["generations"] == alone.statistics["generations"]


def test_the_best_checkpoint_is_put_together_from_its_shards(base: Path, tmp_path: Path) -> None:
    """A learning rate that is far too high makes the validation loss rise after the second step."""
    chosen = {"selection": "validation_loss", "learning_rate": 0.1, "evaluate_every_steps": 1}
    one = run(base, tmp_path / "one", sharding="none", processes=1, gradient_accumulation=4, **chosen)
    two = run(base, tmp_path / "two", processes=2, gradient_accumulation=2, **chosen)
    best = two.statistics["selection"]["step"]
    assert best == one.statistics["selection"]["step"] < 6
    shards = tmp_path / "two" / "work" / "checkpoints" / f"checkpoint-{best}" / "pytorch_model_fsdp_0"
    dcp_to_torch_save(shards, tmp_path / "merged.pt")
    merged = torch.load(tmp_path / "merged.pt", weights_only=True)["model"]
    assert all(torch.equal(tensor, merged[name]) for name, tensor in weights(two.model).items())


def test_the_export_is_the_sharded_state(uninterrupted: tuple[TrainResult, Path], tmp_path: Path) -> None:
    """The last checkpoint, put together by torch, to the bit."""
    result, folder = uninterrupted
    newest = newest_complete(folder / "work" / "checkpoints", SilentProgress())
    assert newest is not None and newest.name == "checkpoint-6"
    shards = newest / "pytorch_model_fsdp_0"
    assert {path.name for path in shards.iterdir()} == {".metadata", "__0_0.distcp", "__1_0.distcp"}
    dcp_to_torch_save(shards, tmp_path / "merged.pt")
    merged = torch.load(tmp_path / "merged.pt", weights_only=True)["model"]
    exported = weights(result.model)
    assert exported.keys() <= merged.keys()
    assert all(torch.equal(exported[name], merged[name]) for name in exported)


def interrupted(base: Path, folder: Path, patch: pytest.MonkeyPatch, deed: str, words: str) -> None:
    patch.setenv(DEED, deed)
    with pytest.raises(GukbapError, match=words):
        run(base, folder, processes=2, gradient_accumulation=2)
    patch.delenv(DEED)
    assert not (folder / "model").exists(), deed


def test_killed_processes_end_with_the_same_curve_and_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: tuple[TrainResult, Path]
) -> None:
    """First one process at a random step, then all with their launcher before a checkpoint is marked; then
    the newest whole one loses a shard."""
    rank = random.choice([0, 1])
    deeds = {
        f"on_step_end {random.choice([1, 2, 3])} {rank} kill": f"process {rank} was killed by SIGKILL",
        f"on_save {random.choice([4, 6])} any kill-all": "none could say why",
    }
    for deed, words in deeds.items():
        interrupted(base, tmp_path, monkeypatch, deed, words)
    newest = newest_complete(tmp_path / "work" / "checkpoints", SilentProgress())
    assert newest is not None
    (newest / "optimizer_0" / "__1_0.distcp").unlink()
    resumed = run(base, tmp_path, processes=2, gradient_accumulation=2)
    assert resumed.statistics["history"] == uninterrupted[0].statistics["history"], list(deeds)
    assert same(resumed.model, uninterrupted[0].model), list(deeds)


def test_four_processes_go_on_from_the_checkpoint_of_two(
    base: Path, tmp_path: Path, uninterrupted: tuple[TrainResult, Path], alone: TrainResult
) -> None:
    shutil.copytree(uninterrupted[1] / "work", tmp_path / "work")
    shutil.rmtree(tmp_path / "work" / "checkpoints" / "checkpoint-6")
    four = run(base, tmp_path, processes=4, gradient_accumulation=1)
    assert four.statistics["processes"] == 4
    assert losses(four) == pytest.approx(losses(alone), rel=1e-5)
    assert close(four.model, alone.model)


@pytest.fixture(scope="module")
def tied(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with one matrix for what goes in and what comes out, as Gemma has it."""
    from transformers import AutoConfig, MistralForCausalLM

    folder = tmp_path_factory.mktemp("tied")
    shutil.copytree(base, folder, dirs_exist_ok=True)
    config = AutoConfig.from_pretrained(base)
    config.tie_word_embeddings = True
    torch.manual_seed(3)
    MistralForCausalLM(config).save_pretrained(folder)
    return folder


def test_bfloat16_with_tied_weights_and_checkpointing(tied: Path, tmp_path: Path) -> None:
    chosen = {"precision": "bfloat16", "gradient_checkpointing": True, "epochs": 1}
    one = run(tied, tmp_path / "one", sharding="none", processes=1, gradient_accumulation=4, **chosen)
    two = run(tied, tmp_path / "two", processes=2, gradient_accumulation=2, **chosen)
    assert losses(two) == pytest.approx(losses(one), rel=5e-3)
    # A loss that went through bfloat16 on its way would have 8 bits.
    measured = torch.tensor([loss for point in two.statistics["history"] if (loss := point.get("loss"))])
    assert not torch.equal(measured, measured.bfloat16().float())
    exported = weights(two.model)
    assert "lm_head.weight" not in exported and {one.dtype for one in exported.values()} == {torch.bfloat16}
    assert read_json(two.model / "config.json")["dtype"] == "bfloat16"
