"""What a worker gets from its surroundings: a scratch folder, progress, a tracker (see handover)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from gukbap.adapters.progress import open_progress
from gukbap.config import Section
from gukbap.errors import GukbapError
from gukbap.files import Journal, canonical_json, sha256_text
from gukbap.handover import QUIET, WORK_DIR, leave_error
from gukbap.ports import Progress

if TYPE_CHECKING:
    from gukbap.adapters.mlflow_tracker import MlflowTracker
    from gukbap.adapters.null_tracker import NullTracker

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
    name = os.environ.get(WORK_DIR)
    return Path(name) if name else Path(tempfile.mkdtemp(prefix="gukbap-"))


def stage_folder(stage: str, settings: Section, *inputs: str) -> Path:
    """A stage's own scratch folder, named by everything its work depends on.

    Two attempts at the same work meet in one folder; work that differs in a setting or an input
    never does.
    """
    fingerprint = sha256_text(canonical_json([settings.model_dump(mode="json"), *inputs]))[:16]
    folder = work_folder() / f"{stage}-{fingerprint}"
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


@contextmanager
def tracked(stage: str, settings: Section) -> Iterator[Callable[[Outcome], None]]:
    """Track a stage as a nested run; the yielded function logs its outcome.

    The run is closed as finished, failed or killed, whichever the block was.
    """
    from gukbap.adapters.mlflow_tracker import from_environment

    tracker = from_environment(stage)
    tracker.params(settings.model_dump(mode="json"))

    def log(outcome: Outcome) -> None:
        tracker.metrics(outcome.metrics)
        for point in outcome.statistics.get("history", []):
            values = {key: value for key, value in point.items() if isinstance(value, int | float)}
            step = int(values.pop("step"))
            tracker.metrics({f"history.{key}": value for key, value in values.items()}, step=step)

    with closing_run(tracker):
        yield log


@contextmanager
def closing_run(tracker: MlflowTracker | NullTracker) -> Iterator[None]:
    """Close a tracker's run as finished, failed or killed, whichever the block was."""
    try:
        yield
    except KeyboardInterrupt:
        tracker.finish("KILLED")
        raise
    except BaseException:
        tracker.finish("FAILED")
        raise
    tracker.finish("FINISHED")


def leaving_errors(work: Callable[Arguments, Returned]) -> Callable[Arguments, Returned]:
    """Leave a stage's error as a file in the scratch folder, so that a runner in another process
    can tell the user the same clear words."""

    @wraps(work)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Returned:
        try:
            return work(*args, **kwargs)
        except GukbapError as error:
            if WORK_DIR in os.environ:
                leave_error(error, work_folder())
            raise

    return run
