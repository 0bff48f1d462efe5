"""What a machine must have before several processes start to train on it.

NCCL and torch tell a machine's faults late, minutes into a start, in words of their own, or by waiting
for ever.
"""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gukbap.config import TrainConfig
from gukbap.errors import GukbapError
from gukbap.ports import Progress

#: NVIDIA's NCCL guide runs containers with --shm-size=1g; Docker and Kubernetes give 64 MiB.
_SHARED_MEMORY = 1 << 30
_SHARED = Path("/dev/shm")
#: What others may hold of a GPU's memory; a display or a monitor holds less.
_FOREIGN_PART = 0.1
_QUERY = (
    "index",
    "uuid",
    "name",
    "memory.total",
    "memory.used",
    "ecc.errors.uncorrected.volatile.total",
    "retired_pages.pending",
    "mig.mode.current",
    "compute_mode",
)
#: With either at 0 a process whose peer is gone waits for ever.
_WATCHDOGS = ("TORCH_NCCL_ASYNC_ERROR_HANDLING", "NCCL_ASYNC_ERROR_HANDLING")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a machine, and what to do about it."""

    problem: str
    fix: str


def require_machine(train: TrainConfig, here: int, progress: Progress, port: int | None = None) -> None:
    """Look at this machine before `here` processes start on it.

    Args:
        port: where the processes of several nodes will meet, on the node that listens.

    Raises:
        GukbapError: everything that is wrong, with what to do.
    """
    import torch

    gpus = torch.cuda.device_count()
    faults = [*device_faults(train, here, gpus), *port_faults(port)]
    if gpus and here > 1:
        faults += [*watchdog_faults(os.environ), *shared_memory_faults(_free(_SHARED))]
    if gpus:
        report = _gpu_report(progress)
        faults += gpu_faults(report) if report is not None else []
    if faults:
        problems = "\n  ".join(fault.problem for fault in faults)
        raise GukbapError(problems, fix="; ".join(dict.fromkeys(fault.fix for fault in faults)))


def device_faults(train: TrainConfig, here: int, gpus: int) -> Iterator[Fault]:
    """Too few GPUs, or none where parameters are to be shards."""
    if gpus and gpus < here:
        yield Fault(
            f"{here} processes are to train here, one a GPU, and this machine has {gpus} GPU(s)",
            f"set train.processes={gpus}",
        )
    if not gpus and train.sharding == "fsdp":
        yield Fault("train.sharding is fsdp, and this machine has no GPU", "set train.sharding=none")


def watchdog_faults(environment: Mapping[str, str]) -> Iterator[Fault]:
    """Settings that take the timeout away from collectives."""
    for name in _WATCHDOGS:
        if environment.get(name) == "0":
            yield Fault(f"{name} is 0: a process whose peer is gone would wait for ever", f"unset {name}")


def shared_memory_faults(free: int) -> Iterator[Fault]:
    """A /dev/shm by which NCCL's processes cannot talk to each other."""
    if free < _SHARED_MEMORY:
        yield Fault(
            f"/dev/shm has {free / 2**20:.0f} MiB free, and NCCL wants {_SHARED_MEMORY / 2**20:.0f}",
            "raise cluster.shared_memory, or run the container with --shm-size=1g",
        )


def port_faults(port: int | None) -> Iterator[Fault]:
    """A port that is taken, or a loopback interface that takes none."""
    try:
        with socket.create_server(("", port) if port else ("localhost", 0)):
            pass
    except socket.gaierror:
        yield Fault("localhost has no address here", "give this container's /etc/hosts the line of localhost")
    except OSError as error:
        yield Fault(
            f"port {port or 'any'} of this node cannot be listened at ({os.strerror(error.errno or 0)})",
            "end what listens there, or choose another port",
        )


def gpu_faults(rows: Sequence[Mapping[str, str]]) -> Iterator[Fault]:
    """GPUs that are broken, taken by others or cut into parts.

    Args:
        rows: a mapping a GPU, as `parse_gpu_report` makes it.
    """
    for row in rows:
        gpu = f"GPU {row['index']} ({row['name']})"
        if any("requires reset" in value.lower() or value == "ERR!" for value in row.values()):
            yield Fault(f"{gpu} does not answer: it needs a reset", "drain this node and reset its GPUs")
            continue
        errors = _number(row["ecc.errors.uncorrected.volatile.total"])
        if errors or row["retired_pages.pending"] == "Yes":
            yield Fault(
                f"{gpu} has {errors:.0f} uncorrected memory errors since its last reset, "
                f"pages waiting to be retired: {row['retired_pages.pending']}",
                "drain this node and reset its GPUs",
            )
        used, total = _number(row["memory.used"]), _number(row["memory.total"])
        if total and used > _FOREIGN_PART * total:
            yield Fault(
                f"{gpu} has {used:.0f} of {total:.0f} MiB in use by another process",
                "end it (nvidia-smi lists it), or choose other GPUs with CUDA_VISIBLE_DEVICES",
            )
        if row["mig.mode.current"] == "Enabled":
            yield Fault(f"{gpu} is cut into MIG instances, which NCCL does not join", "switch MIG off")
        if row["compute_mode"] == "Prohibited":
            yield Fault(f"{gpu} is in compute mode Prohibited", "nvidia-smi --compute-mode=0")


def parse_gpu_report(text: str) -> list[dict[str, str]]:
    """nvidia-smi's CSV without heads and units: a mapping of the queried fields for each GPU."""
    rows = csv.reader(text.splitlines(), skipinitialspace=True)
    return [dict(zip(_QUERY, row, strict=True)) for row in rows if len(row) == len(_QUERY)]


def _gpu_report(progress: Progress) -> list[dict[str, str]] | None:
    command = ["nvidia-smi", f"--query-gpu={','.join(_QUERY)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        progress.say(f"the GPUs' health is not checked: nvidia-smi does not answer ({type(error).__name__})")
        return None
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    rows = parse_gpu_report(done.stdout)
    return rows if visible is None else [row for row in rows if _is_visible(row, visible.split(","))]


def _is_visible(row: Mapping[str, str], chosen: Sequence[str]) -> bool:
    """Whether CUDA_VISIBLE_DEVICES names a GPU, by its index or the start of its UUID."""
    return any(one == row["index"] or (one and row["uuid"].startswith(one)) for one in chosen)


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free if folder.exists() else 0


def _number(text: str) -> float:
    """A number; 0 for what a GPU does not know ([N/A])."""
    try:
        return float(text)
    except ValueError:
        return 0.0
