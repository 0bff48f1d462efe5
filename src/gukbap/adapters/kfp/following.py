"""Following a run until it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.errors import may_pass
from gukbap.adapters.kfp.runs import get_run, past, run_spec
from gukbap.adapters.kfp.steps import ENDED, Step, read_steps, workflow_nodes
from gukbap.errors import ClusterError, GukbapError
from gukbap.ports import Progress

SUCCEEDED = "SUCCEEDED"
_FINAL = (SUCCEEDED, "FAILED", "CANCELED", "SKIPPED")

#: seconds between two looks, and for how long the API may be away
INTERVAL, PATIENCE = 5.0, 600.0


@dataclass(frozen=True)
class FinalState:
    """How a run ended.

    Attributes:
        state: KFP's RuntimeState: SUCCEEDED, FAILED, CANCELED or SKIPPED.
        steps: its steps.
        seconds: from creation to end.
    """

    run_id: str
    name: str
    state: str
    steps: tuple[Step, ...]
    seconds: float

    @property
    def exit_code(self) -> int:
        """0 for SUCCEEDED, else 1."""
        return 0 if self.state == SUCCEEDED else 1

    def error(self) -> GukbapError | None:
        """None for SUCCEEDED; else an error with the failed steps and where their logs are."""
        if self.state == SUCCEEDED:
            return None
        failed = [step for step in self.steps if step.state == "failed"]
        reasons = "; ".join(f"{step.name}: {step.message or 'failed'}" for step in failed)
        problem = f"the run {self.name} ({self.run_id}) ended {self.state}"
        logs = " or ".join(f"`gukbap logs {self.run_id} {step.name}`" for step in failed)
        return ClusterError(f"{problem}: {reasons}" if reasons else problem, fix=logs or None)


def follow(
    connection: Connection,
    run_id: str,
    progress: Progress,
    *,
    interval: float = INTERVAL,
    patience: float = PATIENCE,
) -> FinalState:
    """Show the states of a run's steps as they change, until the run ends.

    Args:
        run_id: the run's id.
        progress: where changes are shown, a line each.
        interval: seconds between two looks.
        patience: seconds for which the API may be away at a stretch.

    Raises:
        ClusterError: the API refuses, or stays away longer than `patience`. The run goes on.
    """
    look = _Patient(connection, progress, patience)
    run = look.call(lambda: get_run(connection, run_id))
    spec = look.call(lambda: run_spec(connection, run))
    shown: dict[str, str] = {}
    while True:
        nodes = look.call(lambda: workflow_nodes(connection, run_id))
        steps = _settled(read_steps(spec, run, nodes), run.state)
        _show(steps, shown, progress)
        if run.state in _FINAL:
            return _final(run, steps)
        time.sleep(interval)
        run = look.call(lambda: get_run(connection, run_id))


class _Patient:
    """Calls that are repeated while the API is away."""

    PAUSE, LONGEST_PAUSE = 1.0, 15.0

    def __init__(self, connection: Connection, progress: Progress, patience: float) -> None:
        self._connection, self._progress, self._patience = connection, progress, patience

    def call(self, look: Any) -> Any:
        away_since: float | None = None
        pause = self.PAUSE
        while True:
            try:
                answer = look()
            except ClusterError as error:
                now = time.monotonic()
                if not may_pass(error) or (away_since and now - away_since > self._patience):
                    raise
                if away_since is None:
                    away_since = now
                    self._progress.say(f"{error.problem}; the run goes on, waiting for the API")
                time.sleep(min(pause, self._patience))
                pause = min(2 * pause, self.LONGEST_PAUSE)
            else:
                if away_since is not None:
                    self._progress.say("the API answers again")
                return answer


def _settled(steps: Sequence[Step], run_state: str | None) -> list[Step]:
    """Steps that never began are skipped, and those that were stopped are canceled, once the run ended."""
    if run_state not in _FINAL:
        return list(steps)
    return [
        step
        if step.state in ENDED
        else replace(step, state="skipped" if step.state == "pending" else "canceled")
        for step in steps
    ]


def _show(steps: Sequence[Step], shown: dict[str, str], progress: Progress) -> None:
    for step in steps:
        line = step.shown + (f" ({step.message})" if step.message else "")
        if shown.get(step.task, "pending") != line:
            shown[step.task] = line
            progress.say(f"{step.name}: {line}")


def _final(run: Any, steps: Sequence[Step]) -> FinalState:
    end = past(run.finished_at)
    seconds = (end - run.created_at).total_seconds() if end and run.created_at else 0.0
    return FinalState(str(run.run_id), str(run.display_name), str(run.state), tuple(steps), seconds)
