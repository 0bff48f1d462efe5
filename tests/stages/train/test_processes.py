"""Training in two real processes (gloo on the CPU)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import torch

from gukbap.adapters.progress import SilentProgress
from gukbap.errors import GukbapError
from gukbap.stages.train import TrainResult, launch, train
from gukbap.stages.train.checkpoints import newest_complete
from gukbap.stages.train.sharding import require_sharded
from gukbap.stages.train.trainer import require_same_start
from gukbap.stages.train.watch import TrainingWatch
from tests.stages.train.examples import rows, settings, weights


def run(base: Path, folder: Path, epochs: int = 2, **chosen: Any) -> TrainResult:
    """Four rows make a step, however they are spread over processes and micro-batches; the last step of
    an epoch has three, so that one process of two has a row less."""
    there = settings(epochs=epochs, **chosen)
    return train(there, rows(11), rows(3), base, folder / "model", folder / "work", SilentProgress())


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUKBAP_QUIET", "1")


def test_two_processes_train_as_one_does(base: Path, tmp_path: Path) -> None:
    one = run(base, tmp_path / "one", gradient_accumulation=2)
    two = run(base, tmp_path / "two", gradient_accumulation=1, processes=2)
    assert one.statistics["processes"] == 1 and two.statistics["processes"] == 2
    assert two.statistics["validation_loss"] == pytest.approx(one.statistics["validation_loss"], rel=1e-5)
    left, right = weights(one.model), weights(two.model)
    assert left.keys() == right.keys()
    assert all(torch.allclose(left[name], right[name], atol=1e-5) for name in left)


@pytest.mark.slow
def test_two_processes_go_on_within_a_later_epoch(base: Path, tmp_path: Path) -> None:
    """The newest checkpoint but one lies within the second epoch, whose order differs from the first's."""
    chosen: dict[str, Any] = {"processes": 2, "gradient_accumulation": 1, "save_every_steps": 1}
    whole = weights(run(base, tmp_path, **chosen).model)
    checkpoints = tmp_path / "work" / "checkpoints"
    shutil.rmtree(tmp_path / "model")
    shutil.rmtree(checkpoints / "checkpoint-6")
    assert newest_complete(checkpoints, SilentProgress()) == checkpoints / "checkpoint-5"
    resumed = weights(run(base, tmp_path, **chosen).model)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


@pytest.mark.slow
def test_a_processs_error_arrives_in_its_own_words(base: Path, tmp_path: Path) -> None:
    with pytest.raises(GukbapError, match="no training row is left") as raised:
        run(base, tmp_path, max_length=32, processes=2)
    assert raised.value.exit_code == 2


def test_fsdp_without_gpus_is_refused(base: Path, tmp_path: Path) -> None:
    if torch.cuda.device_count():
        pytest.skip("this machine has GPUs")
    with pytest.raises(GukbapError, match="this machine has no GPU"):
        run(base, tmp_path, processes=2, sharding="fsdp")


def test_what_is_not_sharded_is_not_trained_as_if_it_were(base: Path) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    require_sharded(model, settings(processes=2))
    with pytest.raises(GukbapError, match="21 of 21 parameters are not sharded"):
        require_sharded(model, settings(processes=2, sharding="fsdp"))


@pytest.mark.slow
def test_accelerates_silent_ddp_on_cpus_is_refused(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "require_machine", lambda *_: None)
    with pytest.raises(GukbapError, match="is fsdp, and 21 of 21 parameters are not sharded"):
        run(base, tmp_path, processes=2, sharding="fsdp")


@pytest.mark.parametrize(("steps", "right"), [([4, 4], True), ([4, 2], False)])
def test_processes_that_see_different_checkpoints_are_refused(steps: list[int], right: bool) -> None:
    trainer = Mock(accelerator=Mock(device="cpu", gather=lambda mine: torch.tensor(steps)))
    if right:
        require_same_start(trainer, 4)
        return
    with pytest.raises(GukbapError, match="after different steps: 2, 4"):
        require_same_start(trainer, 4)


def test_a_signal_that_comes_while_the_processes_agree_is_not_lost() -> None:
    """All stop after the same step: the one after which every process knows of the signal."""
    watch = TrainingWatch(Mock(), Mock(), seconds=0.0, keep=2)

    def reduce(flag: torch.Tensor, how: str) -> torch.Tensor:
        watch.stop_requested = True  # what the signal's handler does
        return flag

    watch.trainer = Mock(accelerator=Mock(num_processes=2, device="cpu", reduce=reduce))
    for stopping in (False, True):
        control = SimpleNamespace(should_save=False, should_training_stop=False)
        watch.on_step_end(None, SimpleNamespace(global_step=1), control)
        assert control.should_save is control.should_training_stop is stopping


def test_a_signal_that_only_another_process_heard_stops_this_one_too() -> None:
    watch = TrainingWatch(Mock(), Mock(), seconds=0.0, keep=2)
    heard = Mock(num_processes=2, device="cpu", reduce=lambda flag, how: flag + 1)
    watch.trainer = Mock(accelerator=heard)
    control = SimpleNamespace(should_save=False, should_training_stop=False)
    watch.on_step_end(None, SimpleNamespace(global_step=1), control)
    assert control.should_save and control.should_training_stop and watch.stop_requested


_INTERRUPTED = """
import sys
from pathlib import Path
from typing import Any
from tests.stages.train.test_processes import run
try:
    run(Path(sys.argv[1]), Path(sys.argv[2]), epochs=100, gradient_accumulation=1, processes=2)
except KeyboardInterrupt:
    sys.exit(77)
"""


@pytest.mark.slow
def test_an_eviction_stops_all_processes_with_a_checkpoint(base: Path, tmp_path: Path) -> None:
    """Kubernetes ends a pod by SIGTERM, which means what SIGINT does."""
    command = [sys.executable, "-c", _INTERRUPTED, str(base), str(tmp_path)]
    checkpoints = tmp_path / "work" / "checkpoints"
    with subprocess.Popen(command, env=os.environ) as process:
        while process.poll() is None and not list(checkpoints.glob("checkpoint-*")):
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 77
    assert newest_complete(checkpoints, SilentProgress()) is not None
    assert not (tmp_path / "model").exists()
