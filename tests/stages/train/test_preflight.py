"""What is looked at before processes start. Of GPUs, which this machine may lack, how reports are read."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest
import torch

from gukbap.adapters.progress import SilentProgress
from gukbap.errors import GukbapError
from gukbap.stages.train.preflight import (
    Fault,
    device_faults,
    gpu_faults,
    parse_gpu_report,
    port_faults,
    require_machine,
    shared_memory_faults,
    watchdog_faults,
)
from tests.stages.train.examples import settings

HEALTHY = "0, GPU-00aa, NVIDIA A100-SXM4-40GB, 40960, 4, 0, [N/A], Disabled, Default\n"


def gpus(line: str) -> list[Fault]:
    return list(gpu_faults(parse_gpu_report(HEALTHY + line)))


def test_a_healthy_machine_has_no_faults() -> None:
    train = settings(processes=4).train
    assert list(device_faults(train, 4, gpus=4)) == []
    assert list(shared_memory_faults(64 << 30)) == []
    assert list(watchdog_faults({"TORCH_NCCL_ASYNC_ERROR_HANDLING": "3"})) == []
    assert list(port_faults(None)) == [] and gpus("") == []
    # A consumer GPU knows less of itself.
    assert gpus("1, GPU-11bb, NVIDIA GeForce RTX 3090, 24576, 12, [N/A], [N/A], [N/A], Default\n") == []


@pytest.mark.parametrize(
    ("line", "problem", "fix"),
    [
        (
            "1, GPU-11bb, A100, 40960, 31744, 0, [N/A], Disabled, Default",
            "GPU 1 (A100) has 31744 of 40960 MiB in use by another process",
            "CUDA_VISIBLE_DEVICES",
        ),
        (
            "2, GPU-22bb, A100, 40960, 4, 3, No, Disabled, Default",
            "GPU 2 (A100) has 3 uncorrected memory errors",
            "drain this node",
        ),
        (
            "2, GPU-22bb, Tesla V100, 16384, 4, 0, Yes, [N/A], Default",
            "pages waiting to be retired: Yes",
            "drain this node",
        ),
        (
            "3, GPU-33bb, A100, [GPU requires reset], [GPU requires reset], [N/A], [N/A], [N/A], [N/A]",
            "GPU 3 (A100) does not answer",
            "reset its GPUs",
        ),
        (
            "3, GPU-33bb, A100, 40960, 4, 0, [N/A], Enabled, Default",
            "is cut into MIG instances",
            "MIG off",
        ),
        (
            "3, GPU-33bb, A100, 40960, 4, 0, [N/A], Disabled, Prohibited",
            "in compute mode Prohibited",
            "compute-mode=0",
        ),
    ],
)
def test_an_unfit_gpu_is_one_finding(line: str, problem: str, fix: str) -> None:
    (fault,) = gpus(line + "\n")
    assert problem in fault.problem and fix in fault.fix


def test_too_few_gpus_name_the_knob() -> None:
    (fault,) = device_faults(settings(processes=4).train, 4, gpus=2)
    assert fault.fix == "set train.processes=2"
    (fault,) = device_faults(settings(processes=2, sharding="fsdp").train, 2, gpus=0)
    assert "has no GPU" in fault.problem and fault.fix == "set train.sharding=none"


def test_dockers_shared_memory_is_too_small() -> None:
    (fault,) = shared_memory_faults(64 << 20)
    assert "64 MiB" in fault.problem and "cluster.shared_memory" in fault.fix


def test_a_timeout_that_is_switched_off_is_told() -> None:
    (fault,) = watchdog_faults({"TORCH_NCCL_ASYNC_ERROR_HANDLING": "0"})
    assert "wait for ever" in fault.problem and fault.fix == "unset TORCH_NCCL_ASYNC_ERROR_HANDLING"


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        (fault,) = port_faults(port)
        assert f"port {port} of this node cannot be listened at" in fault.problem
    assert list(port_faults(port)) == []


def test_all_findings_are_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nvidia-smi is a script here that prints what one of a broken GPU would."""
    script = tmp_path / "nvidia-smi"
    script.write_text(
        f"#!/bin/sh\nprintf '%s' '{HEALTHY}1, GPU-11bb, A100, 40960, 39000, 0, No, Disabled, Default'\n"
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(GukbapError) as raised:
            require_machine(settings(processes=2).train, 2, SilentProgress(), port)
        assert raised.value.problem.splitlines() == [
            f"port {port} of this node cannot be listened at (Address already in use)",
            "  GPU 1 (A100) has 39000 of 40960 MiB in use by another process",
        ]
        for visible, told in (("0", False), ("GPU-00aa", False), ("GPU-11", True), ("0,1", True)):
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
            with pytest.raises(GukbapError) as raised:
                require_machine(settings(processes=2).train, 2, SilentProgress(), port)
            assert ("39000" in raised.value.problem) is told
