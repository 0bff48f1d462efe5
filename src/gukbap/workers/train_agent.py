"""torchrun for one node of a training: `python -m gukbap.workers.train_agent JOB WORKER TORCHRUN-OPTION…`.

torchrun tells in a page of text how its processes ended; as a library it tells it in numbers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gukbap.adapters.redaction import redacted
from gukbap.interruption import LONGEST_SAVE_SECONDS
from gukbap.stages.train.crashes import (
    STOPPED,
    Crash,
    crash_error,
    last_lines,
    leave_crashes,
    log_of,
)

_NODE = "PET_NODE_RANK"


def main(folder: str, worker: str, *options: str) -> int:
    """Start the processes, wait for them, and leave how those ended that failed."""
    # Read by torchrun. Its own 30 seconds kill processes that are writing a large checkpoint.
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(LONGEST_SAVE_SECONDS))
    from torch.distributed import run
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    command = [*options, "--no-python", sys.executable, "-m", worker, folder]
    try:
        run.run(run.parse_args(command))  # type: ignore[no-untyped-call]  # torch has no types here
    except ChildFailedError as error:
        return _leave(Path(folder), error.failures)
    except SignalException:
        return STOPPED
    return 0


def _leave(job: Path, failures: Mapping[int, Any]) -> int:
    crashes = [
        Crash(rank, failure.exitcode, [redacted(line) for line in last_lines(log_of(job, rank))])
        for rank, failure in failures.items()
    ]
    if all(crash.was_asked for crash in crashes):
        return STOPPED
    leave_crashes(job, int(os.environ.get(_NODE, "0")), crashes)
    if _NODE in os.environ:
        # Nobody but the pod's log hears of it where Kubernetes starts the node anew.
        print(crash_error(crashes), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
