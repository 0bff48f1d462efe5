"""One process of a training with several: `torchrun … -m gukbap.workers.train_worker JOB`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from gukbap.adapters.progress import open_progress
from gukbap.config import TrainSettings
from gukbap.errors import GukbapError
from gukbap.files import read_json, read_jsonl, write_json
from gukbap.schemas import Row
from gukbap.stages.train.launch import JOB, RESULT, ROWS, VALIDATION, leave_job_error
from gukbap.stages.train.training import train_in_process


def main(folder: str) -> int:
    """Train as this process's part of the job in `folder`; the first process leaves the statistics."""
    job = Path(folder)
    first = int(os.environ["RANK"]) == 0
    values = read_json(job / JOB)
    try:
        statistics = train_in_process(
            TrainSettings.model_validate(json.loads(values["settings"])),
            read_jsonl(job / ROWS, Row),
            read_jsonl(job / VALIDATION, Row),
            Path(values["model"]),
            Path(values["output"]),
            Path(values["work"]),
            open_progress(quiet=not first or bool(os.environ.get("GUKBAP_QUIET"))),
        )
    except GukbapError as error:
        leave_job_error(job, error)
        return error.exit_code
    if first:
        write_json(job / RESULT, statistics)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
