"""One node of a training over several: `python -m gukbap.workers.train_node JOB_FOLDER`.

The first node fetches the base model into the shared cache and clears torn checkpoints away; the others
wait for it. Then each becomes `train_agent`, which starts `train_worker` once for each process of the node.
Who is first, and where the nodes meet, stands in the PET_* variables that Kubeflow Trainer sets and
torchrun reads.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

from gukbap.adapters.model_references import resolve_model
from gukbap.adapters.progress import open_progress
from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.files import read_json, read_jsonl, write_json
from gukbap.handover import QUIET
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.stages.train.launch import (
    JOB,
    ROWS,
    VALIDATION,
    leave_job_error,
    left_error,
    prepare_work,
    process_command,
)
from gukbap.stages.train.preflight import require_machine

RANK = "PET_NODE_RANK"
_PROCESSES, _PORT = "PET_NPROC_PER_NODE", "PET_MASTER_PORT"
#: seconds between two looks at whether the first node is ready
_PAUSE = 1.0


def main(folder: str) -> NoReturn:
    """Prepare, or wait until the first node has; then become the agent.

    Raises:
        SystemExit: with an error's exit code; its words are in the job folder.
    """
    job, first = Path(folder), int(os.environ.get(RANK, "0")) == 0
    progress = open_progress(quiet=bool(os.environ.get(QUIET)))
    try:
        look_at_node(job, progress, listens=first)
        if first:
            prepare(job, progress)
        else:
            await_first_node(job, progress)
    except GukbapError as error:
        print(f"error: {error}", file=sys.stderr)
        leave_job_error(job, error)
        sys.exit(error.exit_code)
    command = process_command(job=job)
    os.execv(command[0], command)  # noqa: S606 - a list of arguments, and no shell


def look_at_node(job: Path, progress: Progress, *, listens: bool) -> None:
    """Refuse a node that is not fit for its processes.

    Args:
        listens: whether the others meet at this node's port.
    """
    settings = TrainSettings.model_validate(json.loads(read_json(job / JOB)["settings"]))
    here, port = os.environ.get(_PROCESSES, ""), os.environ.get(_PORT)
    # Trainer may leave it to torchrun to count the GPUs ("gpu", "auto").
    processes = int(here) if here.isdigit() else 1
    require_machine(settings.train, processes, progress, int(port) if port and listens else None)


def prepare(job: Path, progress: Progress) -> None:
    """Fetch the base model, clear the work folder, and say where the model is."""
    values = read_json(job / JOB)
    settings = TrainSettings.model_validate(json.loads(values["settings"]))
    base = resolve_model(settings.student.model, progress)
    rows, validation = read_jsonl(job / ROWS, Row), read_jsonl(job / VALIDATION, Row)
    prepare_work(settings, rows, validation, base, Path(values["work"]), progress)
    write_json(job / JOB, {**values, "model": str(base)})


def await_first_node(job: Path, progress: Progress) -> None:
    """Wait until the base model lies where this node can read it too.

    The wait has no end of its own: the TrainJob's deadline is the limit, and torchrun does not start
    any process before it has met the first node, so that an older answer does no harm.
    """
    progress.say("waiting for the first node to fetch the base model")
    while read_json(job / JOB)["model"] is None:
        if error := left_error(job):
            raise error
        time.sleep(_PAUSE)


if __name__ == "__main__":
    main(sys.argv[1])
