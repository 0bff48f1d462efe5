"""Damaged checkpoints are told by name and passed over; the newest whole one is never removed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors import SafetensorError
from torch.distributed.checkpoint.api import CheckpointException, _wrap_exception

from gukbap.adapters.progress import SilentProgress
from gukbap.errors import ConfigError, StorageFullError
from gukbap.files import write_json
from gukbap.stages.train.checkpoints import (
    MARKER,
    damage_of,
    keep_newest,
    mark_complete,
    newest_complete,
    newest_marked,
    remove_unfinished,
    seconds_until,
    step_of,
)
from gukbap.stages.train.failures import explained_failures
from gukbap.stages.train.identity import CHECKPOINTS, MEASUREMENTS, claim_work_folder, training_identity
from tests.stages.train.examples import rows, settings


class Told(SilentProgress):
    """A Progress that remembers what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        """Remember."""
        self.lines.append(line)


def checkpoint(folder: Path, step: int, *, marked: bool = True) -> Path:
    """A checkpoint with the files of a sharded one."""
    made = folder / f"checkpoint-{step}"
    shards = made / "pytorch_model_fsdp_0"
    shards.mkdir(parents=True)
    for rank in (0, 1):
        (shards / f"__{rank}_0.distcp").write_bytes(os.urandom(512))
        (made / f"rng_state_{rank}.pth").write_bytes(os.urandom(64))
    (shards / ".metadata").write_bytes(os.urandom(64))
    (made / "trainer_state.json").write_text(json.dumps({"global_step": step}))
    if marked:
        mark_complete(made, seconds=float(step))
    return made


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def unmarked(made: Path) -> None:
    (made / MARKER).unlink()


def damaged(name: str, deed: Callable[[Path], object]) -> Callable[[Path], None]:
    def do(made: Path) -> None:
        deed(made / name)

    return do


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing file": (damaged("rng_state_1.pth", Path.unlink), "rng_state_1.pth is missing"),
    "missing shard": (
        damaged("pytorch_model_fsdp_0/__1_0.distcp", Path.unlink),
        "pytorch_model_fsdp_0/__1_0.distcp is missing",
    ),
    "missing hidden file": (
        damaged("pytorch_model_fsdp_0/.metadata", Path.unlink),
        "pytorch_model_fsdp_0/.metadata is missing",
    ),
    "truncated tensors": (
        damaged("pytorch_model_fsdp_0/__0_0.distcp", cut),
        "pytorch_model_fsdp_0/__0_0.distcp has 256 instead of 512 bytes",
    ),
    "torn JSON": (damaged("trainer_state.json", cut), "trainer_state.json has "),
    "flipped bit": (
        damaged("pytorch_model_fsdp_0/__1_0.distcp", flip),
        "pytorch_model_fsdp_0/__1_0.distcp is not what was saved, by its SHA-256",
    ),
    "unfinished": (unmarked, "it was not saved to its end"),
    "torn marker": (damaged(MARKER, cut), f"{MARKER} cannot be read"),
    "empty marker": (damaged(MARKER, lambda path: path.write_text("{}")), f"{MARKER} cannot be read"),
    "marker of sizes alone": (
        damaged(MARKER, lambda path: path.write_text('{"files": {"rng_state_0.pth": 64}, "seconds": 1}')),
        f"{MARKER} cannot be read",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_told_and_the_one_before_is_taken(tmp_path: Path, damage: str) -> None:
    deed, words = DAMAGES[damage]
    older, newer = checkpoint(tmp_path, 8), checkpoint(tmp_path, 10)
    assert damage_of(newer) is None
    deed(newer)
    told = Told()
    assert newest_complete(tmp_path, told) == older
    assert len(told.lines) == 1 and told.lines[0].startswith(f"checkpoint-10 is damaged and removed: {words}")
    assert not newer.exists() and newest_marked(tmp_path) == older


def test_the_newest_is_by_number_and_nothing_else_is_touched(tmp_path: Path) -> None:
    newest, older = checkpoint(tmp_path, 100), checkpoint(tmp_path, 99)
    (tmp_path / "checkpoint-final").mkdir()
    flip(older / "rng_state_0.pth")
    told = Told()
    assert newest_complete(tmp_path, told) == newest and told.lines == []
    assert (step_of(newest), seconds_until(newest)) == (100, 100.0)
    assert older.exists(), "it is not read while a newer one is whole"
    assert (tmp_path / "checkpoint-final").exists()


def test_all_damaged_is_none(tmp_path: Path) -> None:
    for step in (1, 2):
        unmarked(checkpoint(tmp_path, step))
    assert newest_complete(tmp_path, Told()) is None
    assert newest_complete(tmp_path / "nowhere", Told()) is None
    assert (step_of(None), seconds_until(None)) == (0, 0.0)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_retention_counts_whole_checkpoints_alone(tmp_path: Path, count: int) -> None:
    for step in (2, 4, 10):
        checkpoint(tmp_path, step)
    for step in (3, 12):
        checkpoint(tmp_path, step, marked=False)
    keep_newest(tmp_path, count)
    kept = sorted(step_of(path) for path in tmp_path.iterdir())
    assert kept == [*[2, 4, 10][-count:], 12]
    remove_unfinished(tmp_path)
    assert sorted(step_of(path) for path in tmp_path.iterdir()) == [2, 4, 10][-count:]


def test_a_kill_while_an_old_one_is_removed_leaves_no_half_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first thing that goes is the marker."""
    old, new = checkpoint(tmp_path, 2), checkpoint(tmp_path, 4)

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gukbap.stages.train.checkpoints.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            keep_newest(tmp_path, 1)
    assert old.exists() and damage_of(old) == "it was not saved to its end"
    assert newest_complete(tmp_path, Told()) == new


def identity(base: Path, **chosen: Any) -> dict[str, Any]:
    return training_identity(settings(**chosen), rows(4), rows(2), base)


def claimed(base: Path, work: Path, told: Told, **chosen: Any) -> None:
    claim_work_folder(work, identity(base, **chosen), settings(**chosen), told)


@pytest.fixture
def work(base: Path, tmp_path: Path) -> Path:
    """A folder with a training's checkpoint, made in steps of 2 × 2 × 2 rows."""
    claimed(base, tmp_path, Told(), processes=2)
    checkpoint(tmp_path / CHECKPOINTS, 4)
    write_json(tmp_path / MEASUREMENTS, {})
    return tmp_path


@pytest.mark.parametrize(
    "chosen",
    [
        {"processes": 4, "gradient_accumulation": 1},
        {"processes": 1, "gradient_accumulation": 4},
        {"processes": 2, "save_every_steps": 9, "keep_checkpoints": 3},
    ],
)
def test_another_spread_of_the_same_steps_goes_on(base: Path, work: Path, chosen: dict[str, int]) -> None:
    told = Told()
    claimed(base, work, told, **chosen)
    assert told.lines == [] and newest_marked(work / CHECKPOINTS) is not None


@pytest.mark.parametrize(
    ("chosen", "problem", "fix"),
    [
        ({"processes": 4}, "in steps of 8 rows", "set train.gradient_accumulation=1 to go on from them"),
        ({"processes": 1}, "in steps of 8 rows", "set train.gradient_accumulation=4 to go on from them"),
        ({"processes": 3}, "in steps of 8 rows", "choose a train.processes by which 8 can be divided"),
        ({"processes": 2, "sharding": "fsdp"}, "train.sharding=none", "set train.sharding=none to go on"),
        (
            {"processes": 1, "per_device_batch_size": 8, "gradient_accumulation": 1},
            "train.per_device_batch_size=2",
            "set train.per_device_batch_size=2 to go on",
        ),
    ],
)
def test_other_steps_are_one_error_with_the_knob(
    base: Path, work: Path, chosen: dict[str, Any], problem: str, fix: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        claimed(base, work, Told(), **chosen)
    assert problem in raised.value.problem and fix in str(raised.value.fix)
    assert newest_marked(work / CHECKPOINTS) is not None
    claimed(base, work, Told(), processes=2)
    assert newest_marked(work / CHECKPOINTS) is not None, "it is still the first training's folder"


def test_another_training_and_one_without_its_first_measurement_start_anew(base: Path, work: Path) -> None:
    told = Told()
    (work / MEASUREMENTS).unlink()
    claimed(base, work, told, processes=2)
    assert "lack validation.json" in told.lines[0] and not (work / CHECKPOINTS).exists()
    checkpoint(work / CHECKPOINTS, 4)
    claimed(base, work, told, processes=2, learning_rate=2e-3)
    assert "belong to another training" in told.lines[1] and not (work / CHECKPOINTS).exists()


@pytest.mark.slow
def test_a_full_disk_is_one_error_and_the_older_checkpoint_stays(base: Path, tmp_path: Path) -> None:
    """On a real file system without room for a third checkpoint; later there is room."""
    command = ["unshare", "--mount", "--map-root-user"]
    if subprocess.run([*command, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    script = [sys.executable, "-m", "tests.stages.train.full_disk", str(base), str(tmp_path)]
    done = subprocess.run([*command, *script], check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    assert found["error"] == "StorageFullError" and "no space left while writing" in found["problem"]
    assert "train.keep_checkpoints" in found["fix"] and found["model"] is False
    assert found["checkpoints"] == {"checkpoint-2": None, "checkpoint-4": None}, "whole, and no torn third"
    assert (tmp_path / "model" / "model.safetensors").exists(), "with room, it went on to the end"


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        CheckpointException("save", {1: _wrap_exception(OSError(errno.ENOSPC, "No space left on device"))}),
    ],
)
def test_every_librarys_full_disk_is_understood(tmp_path: Path, error: BaseException) -> None:
    with pytest.raises(StorageFullError, match="no space left"), explained_failures(tmp_path):
        raise error


def test_torchs_failed_write_is_a_full_disk_where_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=4096))
    with pytest.raises(StorageFullError), explained_failures(tmp_path):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    with pytest.raises(RuntimeError, match="size mismatch"), explained_failures(tmp_path):
        raise RuntimeError("size mismatch")


def test_other_failures_stay_what_they_are(tmp_path: Path) -> None:
    torn = checkpoint(tmp_path, 2, marked=False)
    with pytest.raises(RuntimeError, match="unexpected pos"), explained_failures(tmp_path):
        raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
    with pytest.raises(CheckpointException), explained_failures(tmp_path):
        raise CheckpointException("save", {1: _wrap_exception(ValueError("of another kind"))})
    assert torn.exists()
