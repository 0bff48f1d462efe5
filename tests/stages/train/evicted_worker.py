"""`gukbap.workers.train_worker`, of which the second process is told to stop within an evaluation.

GUKBAP_TEST_EVALUATION says in which one, counted from 0; before its second batch the process sends itself
SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

EVALUATION = "GUKBAP_TEST_EVALUATION"


def stop_within(evaluation: int) -> None:
    """Send SIGTERM to this process within an evaluation."""
    from gukbap.stages.train import training
    from gukbap.stages.train.validation import validation_losses

    begun = 0

    def told(*given: Any) -> Any:
        nonlocal begun
        here, begun = begun == evaluation, begun + 1
        arguments = [*given[:-1], _after_sigterm(given[-1]) if here else given[-1]]
        return validation_losses(*arguments)

    vars(training)["validation_losses"] = told


def _after_sigterm(pause: Callable[[], None]) -> Callable[[], None]:
    def told() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        pause()

    return told


if __name__ == "__main__":
    from gukbap.workers.train_worker import main

    if os.environ["RANK"] == "1":
        stop_within(int(os.environ[EVALUATION]))
    sys.exit(main(sys.argv[1]))
