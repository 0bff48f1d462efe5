"""Training in several processes of this machine, one a GPU (or, for tests, one a CPU share)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from gukbap.config import TrainSettings, settings_text
from gukbap.errors import GukbapError, StageFailedError
from gukbap.files import read_json, write_json, write_jsonl
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.stages.train.checkpoints import newest_complete
from gukbap.stages.train.identity import CHECKPOINTS, claim_work_folder, training_identity

WORKER = "gukbap.workers.train_worker"
JOB, RESULT, ERROR = "job.json", "result.json", "error.json"


def train_in_processes(
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    output: Path,
    work: Path,
    progress: Progress,
) -> dict[str, Any]:
    """As `stages.train.train`, in `train.processes` processes; returns the statistics.

    Raises:
        GukbapError: a process failed (with its own words where it left any), or there are too few GPUs.
    """
    _require_devices(settings)
    # Before any process looks at the folder: what is torn or another training's is gone.
    claim_work_folder(work, training_identity(settings, rows, validation, model_folder), progress)
    newest_complete(work / CHECKPOINTS, progress)
    job = work / "job"
    _write_job(job, settings, rows, validation, model_folder, output, work)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python"]
    command += [f"--nproc_per_node={settings.train.processes}", sys.executable, "-m", WORKER, str(job)]
    _run(command)
    if (job / ERROR).exists():
        values = read_json(job / ERROR)
        error = StageFailedError(values["problem"], expected=values["expected"], fix=values["fix"])
        error.exit_code = int(values["exit_code"])
        raise error
    if not (job / RESULT).exists():
        raise GukbapError(
            f"training in {settings.train.processes} processes failed",
            fix="the processes' own messages stand above; run again to go on from the last checkpoint",
        )
    statistics: dict[str, Any] = read_json(job / RESULT)
    return statistics


def _require_devices(settings: TrainSettings) -> None:
    import torch

    processes, gpus = settings.train.processes, torch.cuda.device_count()
    if gpus and gpus < processes:
        raise GukbapError(
            f"train.processes is {processes}, and this machine has {gpus} GPU(s)",
            expected="a GPU for each process",
            fix=f"set train.processes={gpus}",
        )
    if not gpus and settings.train.sharding == "fsdp":
        raise GukbapError(
            "train.sharding is fsdp, and this machine has no GPU",
            expected=f"{processes} GPUs",
            fix="set train.sharding=none",
        )


def _write_job(
    job: Path,
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    output: Path,
    work: Path,
) -> None:
    for left in (RESULT, ERROR):
        (job / left).unlink(missing_ok=True)
    write_jsonl(job / "rows.jsonl", rows)
    write_jsonl(job / "validation.jsonl", validation)
    places = {"model": model_folder, "output": output, "work": work}
    paths = {name: str(path.resolve()) for name, path in places.items()}
    write_json(job / JOB, {"settings": settings_text(settings), **paths})


def _run(command: Sequence[str]) -> None:
    """Run the launcher; an interruption reaches each process once, and they save a checkpoint."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (
        _terminating_as_interrupt(),
        # A session of its own: a terminal's Ctrl-C would reach the processes twice, from the terminal
        # and from the launcher. Standard output belongs to results.
        subprocess.Popen(
            command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True
        ) as launcher,
    ):
        try:
            launcher.wait()
        except BaseException:
            launcher.send_signal(signal.SIGTERM)
            launcher.wait()
            raise


@contextmanager
def _terminating_as_interrupt() -> Iterator[None]:
    """Let SIGTERM be heard as KeyboardInterrupt, so that no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
