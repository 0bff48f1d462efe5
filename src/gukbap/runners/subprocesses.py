"""Run the DAG with kfp.local: a process for each step, as a cluster has a pod for each."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import IO, Any

from gukbap.errors import StageFailedError
from gukbap.handover import LINE_PREFIX, take_error
from gukbap.ports import Progress
from gukbap.runners.dag import Step
from gukbap.runners.run_folder import RunFolder


def run_subprocesses(pipeline: Any, steps: Sequence[Step], folder: RunFolder, progress: Progress) -> None:
    """Run a KFP pipeline (a GraphComponent without parameters) with kfp.local's SubprocessRunner.

    Steps that ended before run again, but each goes on from its journal, so no call is sent twice.

    Raises:
        StageFailedError: a step failed; carries the step's own words where it left them.
    """
    from kfp import local

    root = folder.work / "kfp"
    shutil.rmtree(root, ignore_errors=True)
    take_error(folder.work)
    log_file = folder.work / "subprocess.log"
    local.init(
        runner=local.SubprocessRunner(use_venv=False),
        pipeline_root=str(root),
        workspace_root=str(folder.work / "kfp-workspace"),
    )
    try:
        with log_file.open("a", encoding="utf-8") as log, redirect_stdout(_Filter(log, progress)):
            _quieten(log)
            pipeline()
    except RuntimeError as error:
        raise (
            take_error(folder.work) or StageFailedError(str(error), fix=f"read the end of {log_file}")
        ) from error
    finally:
        _collect(root, steps, folder)


def _quieten(log: IO[str]) -> None:
    """Send kfp.local's own log lines into the log file, too."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(log)


def _collect(root: Path, steps: Sequence[Step], folder: RunFolder) -> None:
    """Move what the steps wrote from kfp.local's folders to its place in the run folder."""
    for job in root.glob("*"):
        for step in steps:
            for output in step.outputs:
                source, target = job / step.key / output, folder.place(step.name, output)
                if not source.exists():
                    continue
                if target.is_dir():
                    shutil.rmtree(target)
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
            if (job / step.key / "executor_output.json").exists():
                folder.record_step(step.name, runner="subprocess")


class _Filter(TextIOBase):
    """Writes everything into a log and hands progress lines on."""

    def __init__(self, log: IO[str], progress: Progress) -> None:
        self._log, self._progress = log, progress

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self._log.write(text)
        self._log.flush()
        for line in text.splitlines():
            if line.strip().startswith(LINE_PREFIX):
                self._progress.say(line.strip().removeprefix(LINE_PREFIX))
        return len(text)

    def flush(self) -> None:
        sys.stderr.flush()
