"""Training in several processes, one a GPU (or, for tests, one a CPU share): of this machine, or of
several nodes that share a folder.

A job folder is what the processes get and leave: settings, rows and places before, statistics or an
error afterwards.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gukbap.config import TrainSettings, settings_text
from gukbap.errors import GukbapError, StageFailedError
from gukbap.files import read_json, write_json, write_jsonl
from gukbap.interruption import terminating_as_interrupt
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.stages.train.checkpoints import newest_complete
from gukbap.stages.train.crashes import STOPPED, clear_crashes, crash_error, left_crashes
from gukbap.stages.train.evaluations import best_in
from gukbap.stages.train.identity import (
    CHECKPOINTS,
    MEASUREMENTS,
    claim_work_folder,
    training_identity,
)
from gukbap.stages.train.preflight import require_machine

AGENT, WORKER = "gukbap.workers.train_agent", "gukbap.workers.train_worker"
JOB, RESULT, ERROR = "job.json", "result.json", "error.json"
ROWS, VALIDATION = "rows.jsonl", "validation.jsonl"


def train_in_processes(
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    output: Path,
    work: Path,
    progress: Progress,
    *,
    tracked_run: str | None = None,
) -> dict[str, Any]:
    """As `stages.train.train`, in `train.processes` processes; returns the statistics.

    Args:
        tracked_run: the tracker's run, into which the first process logs.

    Raises:
        GukbapError: a process failed (with its own words, or its rank and its last lines), or this
            machine is not fit for them.
    """
    require_machine(settings.train, settings.train.processes, progress)
    prepare_work(settings, rows, validation, model_folder, work, progress)
    job = work / "job"
    write_job(
        job,
        settings,
        *(rows, validation),
        model=model_folder,
        output=output,
        work=work,
        tracked_run=tracked_run,
    )
    ended = _run(process_command("--standalone", f"--nproc_per_node={settings.train.processes}", job=job))
    if ended == STOPPED:
        raise KeyboardInterrupt
    if error := left_error(job):
        raise error
    statistics = left_statistics(job)
    if statistics is None:
        raise crash_error(left_crashes(job))
    return statistics


def over_nodes(settings: TrainSettings, nodes: int) -> TrainSettings:
    """The settings that the processes of several nodes train with: `train.processes` is their number on
    all nodes together, as everything from the step's size to the checkpoints' identity counts them."""
    processes = settings.train.processes * nodes
    return settings.model_copy(update={"train": settings.train.model_copy(update={"processes": processes})})


def prepare_work(
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    model_folder: Path,
    work: Path,
    progress: Progress,
) -> None:
    """Remove torn checkpoints and another training's, before any process looks at the folder."""
    identity = training_identity(settings, rows, validation, model_folder)
    claim_work_folder(work, identity, settings, progress)
    newest_complete(work / CHECKPOINTS, progress, best_in(work / MEASUREMENTS, settings.train))


def process_command(*options: str, job: Path) -> list[str]:
    """The command line that starts the processes that train the job in a folder, with torchrun's options."""
    return [sys.executable, "-m", AGENT, str(job), WORKER, *options]


def write_job(
    job: Path,
    settings: TrainSettings,
    rows: Sequence[Row],
    validation: Sequence[Row],
    *,
    model: Path | None,
    output: Path,
    work: Path,
    tracked_run: str | None,
) -> None:
    """Write a job folder; what an earlier attempt left in it is removed.

    Args:
        model: the base model's folder; None where the nodes find it themselves.
        tracked_run: the tracker's run, into which the first process logs; None: it does not. Where the
            tracker is, and how to get in, stands in the processes' environment and never in a file.
    """
    for left in (RESULT, ERROR):
        (job / left).unlink(missing_ok=True)
    clear_crashes(job)
    write_jsonl(job / ROWS, rows)
    write_jsonl(job / VALIDATION, validation)
    places = {"model": model, "output": output, "work": work}
    paths = {name: str(path.resolve()) if path else None for name, path in places.items()}
    write_json(job / JOB, {"settings": settings_text(settings), "tracked_run": tracked_run, **paths})


def leave_job_error(job: Path, error: GukbapError) -> None:
    """Write an error's words for whoever started the job; the first error stays, as the likeliest cause."""
    if (job / ERROR).exists():
        return
    words = {"problem": error.problem, "expected": error.expected, "fix": error.fix}
    write_json(job / ERROR, {**words, "exit_code": error.exit_code})


def left_error(job: Path) -> StageFailedError | None:
    """The error that a process left, with its words and exit code."""
    if not (job / ERROR).exists():
        return None
    values = read_json(job / ERROR)
    error = StageFailedError(values["problem"], expected=values["expected"], fix=values["fix"])
    error.exit_code = int(values["exit_code"])
    return error


def left_statistics(job: Path) -> dict[str, Any] | None:
    """The statistics that the first process left after everything else was written."""
    if not (job / RESULT).exists():
        return None
    statistics: dict[str, Any] = read_json(job / RESULT)
    return statistics


def _run(command: Sequence[str]) -> int:
    """Run the launcher and return its exit code; an interruption reaches each process once, and they save a
    checkpoint."""
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (
        terminating_as_interrupt(),
        # A session of its own: a terminal's Ctrl-C would reach the processes twice, from the terminal
        # and from the launcher. Standard output belongs to results.
        subprocess.Popen(
            command, env=environment, stdout=sys.stderr.fileno(), start_new_session=True
        ) as launcher,
    ):
        try:
            return launcher.wait()
        except BaseException:
            launcher.send_signal(signal.SIGTERM)
            launcher.wait()
            raise
