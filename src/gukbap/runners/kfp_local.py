"""What every runner through kfp.local shares: logs, the words of a failed step, the run folder."""

from __future__ import annotations

import logging
import shutil
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from pathlib import Path
from typing import IO, Any

from gukbap.errors import StageFailedError
from gukbap.handover import LINE_PREFIX, clear_failures, first_failure
from gukbap.ports import Progress
from gukbap.runners.dag import Step
from gukbap.runners.run_folder import RunFolder


def run_with_kfp_local(
    pipeline: Any, steps: Sequence[Step], folder: RunFolder, progress: Progress, *, runner: Any, name: str
) -> None:
    """Run a KFP pipeline (a GraphComponent without parameters) with one of kfp.local's runners.

    Steps that ended before run again, but each goes on from its journal, so no call is sent twice. A
    step that fails is tried again as often as its task's set_retry says.

    Args:
        runner: a kfp.local runner.
        name: the runner's name, for the log file and the run's record.

    Raises:
        StageFailedError: a step failed; carries the step's own words where it left them.
    """
    from kfp import local

    root = folder.work / "kfp"
    shutil.rmtree(root, ignore_errors=True)
    # Made here, since a Docker engine would make a missing one itself, as root's.
    workspace = folder.work / "kfp-workspace"
    for made in (root, workspace):
        made.mkdir(exist_ok=True)
    clear_failures(folder.work)
    log_file = folder.work / f"{name}.log"
    local.init(runner=runner, pipeline_root=str(root), workspace_root=str(workspace))
    try:
        with (
            log_file.open("a", encoding="utf-8") as log,
            redirect_stdout(_Filter(log, progress)),
            _logging_into(log),
            warnings.catch_warnings(),
        ):
            # It warns of every setting that only a cluster heeds, for every step.
            warnings.filterwarnings("ignore", module=r"kfp\.local")
            pipeline()
    except RuntimeError as error:
        raise (
            first_failure(folder.work) or StageFailedError(str(error), fix=f"read the end of {log_file}")
        ) from error
    finally:
        _collect(root, steps, folder, name)


@contextmanager
def _logging_into(log: IO[str]) -> Iterator[None]:
    """Send kfp.local's own log lines into the log file, too."""
    handlers = [h for h in logging.getLogger().handlers if isinstance(h, logging.StreamHandler)]
    before = [handler.setStream(log) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)


def _collect(root: Path, steps: Sequence[Step], folder: RunFolder, runner: str) -> None:
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
                folder.record_step(step.name, runner=runner)


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
