"""`gukbap.workers.train_worker` whose second process fails as GUKBAP_TEST_FAILURE says; the first waits."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TextIO

from gukbap.errors import GukbapError
from gukbap.workers import train_worker

FAILURE = "GUKBAP_TEST_FAILURE"
#: made by the first process, for which the second one waits
_BEGUN = "begun"


def fail(job: Path, rank: int, console: TextIO) -> None:
    """Stands for the training."""
    print(f"process {rank} begins", file=console, flush=True)
    if rank == 0:
        (job / _BEGUN).touch()
        time.sleep(60)
    while not (job / _BEGUN).exists():
        time.sleep(0.05)
    failure = os.environ[FAILURE]
    if failure == "raise":
        raise RuntimeError(f"no answer from https://me:word@host/?token={os.environ['HF_TOKEN']}")
    if failure == "abort":
        os.write(2, b"terminate called in a library\n")
        os.abort()
    if failure == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise GukbapError("the loss became nan", fix="lower train.learning_rate")


if __name__ == "__main__":
    train_worker._train = fail
    sys.exit(train_worker.main(sys.argv[1]))
