"""What a worker gets from its surroundings: a scratch folder, progress, a tracker (see handover)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from gukbap.adapters.progress import open_progress
from gukbap.config import Section, StageSettings
from gukbap.files import canonical_json
from gukbap.handover import (
    QUIET,
    RUN_ID,
    SHARED_DIR,
    WORK_DIR,
    leave_failure,
    leave_success,
)
from gukbap.interruption import terminating_as_interrupt
from gukbap.journal import Journal
from gukbap.ports import HISTORY, Point, Progress, Tracker

Arguments = ParamSpec("Arguments")
Returned = TypeVar("Returned")


@dataclass(frozen=True)
class Outcome:
    """What a stage did: everything countable, and facts about its output artifacts."""

    statistics: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """The numbers among the statistics, nested keys joined by dots."""
        return dict(_numbers(self.statistics))


def _numbers(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{prefix}{key}.")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{prefix}{key}", float(value)


def work_folder() -> Path:
    """The scratch folder of this run; a temporary one where no runner names one."""
    return lasting_folder() or Path(tempfile.mkdtemp(prefix="gukbap-"))


def lasting_folder() -> Path | None:
    """The run's scratch folder that outlives this process; None where there is none."""
    if name := os.environ.get(WORK_DIR):
        return Path(name)
    shared, run_id = shared_folder(), os.environ.get(RUN_ID)
    return shared / "runs" / run_id if shared and run_id else None


def shared_folder() -> Path | None:
    """The folder that all runs of a cluster share; None where there is none."""
    name = os.environ.get(SHARED_DIR)
    return Path(name) if name else None


def stage_folder(settings: StageSettings, inputs: Iterable[str]) -> Path:
    """A step's own scratch folder, named by everything its work depends on.

    Two attempts at the same work meet in one folder; work that differs in a setting or an input
    never does.
    """
    # Of the list [settings, input, …], text by text: there may be many.
    digest = hashlib.sha256(f"[{canonical_json(settings.model_dump(mode='json'))}".encode())
    for text in inputs:
        digest.update(f",{canonical_json(text)}".encode())
    digest.update(b"]")
    folder = work_folder() / f"{settings.step}-{digest.hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def journal(folder: Path) -> Iterator[Journal]:
    """The journal of a stage's calls."""
    with Journal(folder / "calls.jsonl") as opened:
        yield opened


def progress() -> Progress:
    """Progress as the runner wants it shown."""
    return open_progress(quiet=bool(os.environ.get(QUIET)))


@dataclass(frozen=True)
class StageLog:
    """A stage's nested run: its tracker, for what is told while the stage works, and its outcome."""

    tracker: Tracker

    def __call__(self, outcome: Outcome) -> None:
        """Log an outcome: its numbers, and the points of its history that are not there yet."""
        self.tracker.metrics(outcome.metrics)
        self.tracker.series([_point(values) for values in outcome.statistics.get("history", [])])


def _point(values: Mapping[str, Any]) -> Point:
    numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
    step = int(numbers.pop("step"))
    return Point(step, {f"{HISTORY}{key}": value for key, value in numbers.items()})


@contextmanager
def tracked(stage: str, settings: Section) -> Iterator[StageLog]:
    """Track a stage as a nested run; what is yielded logs its outcome when it is called with it.

    The run is closed as finished, failed or killed, whichever the block was.
    """
    from gukbap.adapters.mlflow_tracker import from_environment, parent_from_environment

    tracker = from_environment(stage)
    tracker.params(settings.model_dump(mode="json"))
    try:
        with terminating_as_interrupt():
            yield StageLog(tracker)
    except KeyboardInterrupt:
        tracker.finish("KILLED")
        # Kubeflow Pipelines runs no exit step for a run that a person ends. A pod that was only moved
        # opens both runs again.
        parent_from_environment().finish("KILLED")
        raise
    except BaseException:
        tracker.finish("FAILED")
        raise
    tracker.finish("FINISHED")


def leaving_errors(work: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Leave a step's error as a file in the scratch folder, so that a runner in another process, and
    the exit step, can tell the user the same clear words."""

    @wraps(work)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        folder = lasting_folder()
        step = args[0].step if isinstance(args[0], StageSettings) else work.__name__.removeprefix("run_")
        try:
            result = work(*args, **kwargs)
        except Exception as error:
            if folder:
                leave_failure(step, error, folder)
            raise
        if folder:
            leave_success(step, folder)
        return result

    return run
