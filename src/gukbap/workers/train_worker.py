"""One process of a training with several, which torchrun starts: `python -m gukbap.workers.train_worker JOB`.

What it and its libraries print goes into a log of its own in the job folder, by which its end is told;
the progress of the first process goes to the console.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import TextIO

from gukbap.adapters.progress import open_progress
from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.files import read_json, read_jsonl, write_json
from gukbap.handover import QUIET, TRACKING_URI
from gukbap.ports import Progress, Tracker
from gukbap.schemas import Row
from gukbap.stages.train.crashes import STOPPED, log_of
from gukbap.stages.train.launch import JOB, RESULT, ROWS, VALIDATION, leave_job_error


def main(folder: str) -> int:
    """Train as this process's part of the job in `folder`; the first process leaves the statistics."""
    job, rank = Path(folder), int(os.environ["RANK"])
    console = _into_log(log_of(job, rank))
    try:
        _train(job, rank, console)
    except GukbapError as error:
        print(f"error: {error}", file=sys.stderr)
        leave_job_error(job, error)
        return error.exit_code
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return STOPPED
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _train(job: Path, rank: int, console: TextIO) -> None:
    # Not before the log is there: torch warns and fails on import, too.
    from gukbap.stages.train.training import train_in_process

    values = read_json(job / JOB)
    progress = open_progress(quiet=rank > 0 or bool(os.environ.get(QUIET)), stream=console)
    statistics = train_in_process(
        TrainSettings.model_validate(json.loads(values["settings"])),
        read_jsonl(job / ROWS, Row),
        read_jsonl(job / VALIDATION, Row),
        Path(values["model"]),
        Path(values["output"]),
        Path(values["work"]),
        progress,
        _tracker(values["tracked_run"], progress) if rank == 0 else None,
    )
    if rank == 0:
        write_json(job / RESULT, statistics)


def _tracker(run_id: str | None, progress: Progress) -> Tracker | None:
    """The run of whoever started the job; None where there is none, or none that can be opened."""
    from gukbap.adapters.mlflow_tracker import borrowed_run

    uri = os.environ.get(TRACKING_URI)
    if run_id is None or uri is None:
        return None
    try:
        return borrowed_run(uri, run_id)
    except GukbapError as error:
        progress.say(f"the training is not tracked while it lasts: {error.problem}")
        return None


def _into_log(log: Path) -> TextIO:
    """Turn both outputs, also of C++, into a file; returns the console that was standard error."""
    log.parent.mkdir(parents=True, exist_ok=True)
    console = os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8")
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
        os.dup2(descriptor, stream.fileno())
    os.close(descriptor)
    return console


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
