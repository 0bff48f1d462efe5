"""`gukbap.workers.train_worker` that tells its steps at once, and may be killed with all of its world.

GUKBAP_TEST_KILL: the step before whose end every process and the launcher are killed, once the tracker has
the step before it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

KILL = "GUKBAP_TEST_KILL"
LAUNCHER = os.getppid()


def kill_all_at(step: int, run_id: str) -> None:
    """Put the kill before the end of a step."""
    from mlflow import MlflowClient

    from gukbap.stages.train.watch import TrainingWatch

    usual = TrainingWatch.on_step_end
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])

    def told(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == step:
            while step - 1 not in {one.step for one in client.get_metric_history(run_id, "history.loss")}:
                time.sleep(0.05)
            if os.getppid() == LAUNCHER:
                os.kill(LAUNCHER, signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
        usual(self, args, state, control, **rest)

    TrainingWatch.on_step_end = told  # type: ignore[method-assign]  # a double of this worker's own watch


if __name__ == "__main__":
    from gukbap.files import read_json
    from gukbap.stages.train import live
    from gukbap.stages.train.launch import JOB
    from gukbap.workers.train_worker import main

    live.PAUSE = 0.05
    if at := os.environ.get(KILL):
        kill_all_at(int(at), read_json(Path(sys.argv[1]) / JOB)["tracked_run"])
    sys.exit(main(sys.argv[1]))
