"""Run the DAG with kfp.local: a process for each step, as a cluster has a pod for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gukbap.ports import Progress
from gukbap.runners.dag import Step
from gukbap.runners.kfp_local import run_with_kfp_local
from gukbap.runners.run_folder import RunFolder


def run_subprocesses(pipeline: Any, steps: Sequence[Step], folder: RunFolder, progress: Progress) -> None:
    """Run a KFP pipeline (a GraphComponent without parameters) with kfp.local's SubprocessRunner.

    Steps that ended before run again, but each goes on from its journal, so no call is sent twice.

    Raises:
        StageFailedError: a step failed; carries the step's own words where it left them.
    """
    from kfp import local

    runner = local.SubprocessRunner(use_venv=False)
    run_with_kfp_local(pipeline, steps, folder, progress, runner=runner, name="subprocess")
