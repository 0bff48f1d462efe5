"""Follow a TrainJob: what its nodes wait for, what they print, how it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gukbap.adapters.kubernetes_errors import ClusterUnreachableError, MissingRightError
from gukbap.adapters.kubernetes_pods import RunPod
from gukbap.adapters.train_jobs import TrainJobs, TrainJobState
from gukbap.errors import GukbapError
from gukbap.handover import LINE_PREFIX
from gukbap.ports import Progress
from gukbap.stages.train.launch import left_error

Seen = TypeVar("Seen")

POLL_SECONDS = 10.0
#: How many looks in a row may find no API server: ten minutes of an upgrade of the control plane.
PATIENCE = 60
#: How many looks a result may take from its node to this one: network file systems remember for up to a
#: minute that a file was not there.
FILE_PATIENCE = 12
#: Lines of a node's log that are looked at each time, and that a failure is told with.
_LOG_LINES, _LAST_WORDS = 200, 25
_NEXT_STEPS = {
    "OOMKilled": "raise cluster.train.memory, or lower cluster.shared_memory, which counts against it",
    "DeadlineExceeded": "raise cluster.train.timeout_seconds",
}


class TrainWatch:
    """Looks at one TrainJob every `poll_seconds`."""

    def __init__(self, jobs: TrainJobs, name: str, progress: Progress, poll_seconds: float) -> None:
        self._jobs, self._name, self._progress, self._pause = jobs, name, progress, poll_seconds
        self._shown = ""
        self._last_line: str | None = None
        self._reads_logs = True

    def await_removal(self) -> None:
        """Wait until a TrainJob that is being deleted is gone with its last pod."""
        while self._patiently(lambda: self._jobs.find(self._name)):
            self._show("waiting until the nodes of an earlier attempt have stopped")
            time.sleep(self._pause)

    def until_finished(self, job: Path, nodes: int, finished: Callable[[], bool]) -> None:
        """Return when the result is there.

        Args:
            job: the folder where a process leaves its error.
            nodes: how many nodes the training has.
            finished: whether the result is there.

        Raises:
            StageFailedError: a process left an error; the TrainJob is deleted.
            GukbapError: the TrainJob failed, is gone, or ended without a result.
        """
        late = 0
        while not finished():
            if error := left_error(job):
                self._give_back()
                raise error
            state = self._patiently(lambda: self._jobs.find(self._name))
            # What a node left last may have come after the look at its folder.
            if state and state.condition == "Failed" and not finished():
                raise left_error(job) or self._failure(state)
            if state and state.condition != "Complete":
                late = 0
                self._patiently(lambda: self._tell(nodes))
            else:
                late += 1
            if late > FILE_PATIENCE:
                raise self._no_result(state)
            time.sleep(self._pause)

    def _give_back(self) -> None:
        """Delete the TrainJob: a new start of its node would only fail again, on GPUs that others want."""
        try:
            self._jobs.remove(self._name)
        except GukbapError as error:
            self._progress.say(f"the TrainJob {self._name} is not deleted: {error}")

    def _patiently(self, look: Callable[[], Seen]) -> Seen:
        """What `look` sees, however often the API server has to be asked."""
        for _ in range(PATIENCE):
            try:
                return look()
            except ClusterUnreachableError as error:
                self._show(f"{error.problem}; trying again")
                time.sleep(self._pause)
        return look()

    def _show(self, line: str) -> None:
        if line != self._shown:
            self._progress.say(line)
            self._shown = line

    def _tell(self, nodes: int) -> None:
        """Say what has changed: nodes that do not run, and what the first node has printed."""
        pods = self._jobs.pods(self._name)
        running = sum(pod.phase == "Running" for pod in pods)
        held_up = [f"{pod.name}: {pod.trouble}" for pod in pods if pod.trouble]
        self._show("; ".join([f"{running} of {nodes} training node(s) run", *held_up]))
        if self._reads_logs and running:
            self._tell_progress()

    def _tell_progress(self) -> None:
        first = self._jobs.first_node(self._name)
        if first is None:
            return
        try:
            # The time before each line makes it unlike any other.
            lines = self._jobs.log(first.name, _LOG_LINES, timestamps=True)
        except MissingRightError as error:
            self._reads_logs = False
            self._progress.say(f"progress is not shown: {error.problem}")
            return
        for line in lines[_after(lines, self._last_line) :]:
            text = line.partition(" ")[2]
            if text.startswith(LINE_PREFIX):
                self._progress.say(text.removeprefix(LINE_PREFIX))
        self._last_line = lines[-1] if lines else self._last_line

    def _failure(self, state: TrainJobState) -> GukbapError:
        pods = self._patiently(lambda: self._jobs.pods(self._name))
        failed = [pod for pod in pods if pod.trouble]
        words = [f"the TrainJob {self._name} failed: {state.reason} ({state.message})"]
        words += [f"{pod.name}: {pod.trouble}" for pod in failed] + self._last_words(failed)
        reasons = [state.reason, *(pod.reason for pod in failed)]
        steps = [_NEXT_STEPS[reason] for reason in dict.fromkeys(reasons) if reason in _NEXT_STEPS]
        again = "run again to go on from the last checkpoint"
        return GukbapError("\n  ".join(words), fix="; ".join([*steps, again]))

    def _last_words(self, failed: Sequence[RunPod]) -> list[str]:
        """The end of a failed node's log; which node's does not matter, they wait for each other."""
        if not failed:
            return []
        try:
            return self._patiently(lambda: self._jobs.log(failed[-1].name, _LAST_WORDS))
        except MissingRightError as error:
            return [error.problem]

    def _no_result(self, state: TrainJobState | None) -> GukbapError:
        if state is None:
            return GukbapError(
                f"the TrainJob {self._name} is gone before it left a result",
                fix="run again to go on from the last checkpoint, and find out who deleted it",
            )
        return GukbapError(
            f"the TrainJob {self._name} is complete and left no result",
            expected="the trained model on the work claim",
            fix="check that cluster.work_claim is ReadWriteMany and the same claim on all nodes",
        )


def _after(lines: Sequence[str], last: str | None) -> int:
    """Where the lines after `last` begin; 0 where it is not among them."""
    return lines.index(last) + 1 if last is not None and last in lines else 0
