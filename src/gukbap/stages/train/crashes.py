"""How training processes ended that left no error of their own, and what they said last.

Each process writes into a log of its own in the job folder, libraries in C++ included. Each node's
launcher leaves how its processes ended.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gukbap.errors import GukbapError
from gukbap.files import read_json, write_json

_CRASHES, _LOGS = "crashes", "logs"
#: Lines of a process's log that its failure is told with, and how much of a line.
_LAST_LINES, _LINE_LENGTH = 15, 400
#: What a process ends with that was asked to stop and saved a checkpoint: 128 + SIGTERM.
STOPPED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Crash:
    """One process's end: its rank among all, its exit code (below 0: minus the signal), its last lines."""

    rank: int
    exit_code: int
    lines: list[str]

    @property
    def how(self) -> str:
        """The end in words."""
        if self.exit_code >= 0:
            return f"ended with exit code {self.exit_code}"
        name = signal.Signals(-self.exit_code).name
        # The kernel's out-of-memory killer, and a container's memory limit.
        return f"was killed by {name}" + (" (often: no memory left)" if name == "SIGKILL" else "")

    @property
    def was_asked(self) -> bool:
        """Whether it only followed another's end, or a person's wish."""
        return self.exit_code in (-signal.SIGTERM, STOPPED)


def log_of(job: Path, rank: int) -> Path:
    """Where a process's output lies."""
    return job / _LOGS / f"rank-{rank}.log"


def last_lines(log: Path) -> list[str]:
    """The end of a log; nothing where there is none."""
    if not log.exists():
        return []
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return [line[:_LINE_LENGTH] for line in lines[-_LAST_LINES:]]


def leave_crashes(job: Path, node: int, crashes: Sequence[Crash]) -> None:
    """Write how a node's processes ended."""
    write_json(job / _CRASHES / f"node-{node}.json", [asdict(crash) for crash in crashes])


def clear_crashes(job: Path) -> None:
    """Take away what an earlier attempt left."""
    for file in [*(job / _CRASHES).glob("*.json"), *(job / _LOGS).glob("*.log")]:
        file.unlink(missing_ok=True)


def left_crashes(job: Path) -> list[Crash]:
    """What all nodes have left."""
    return [Crash(**values) for file in (job / _CRASHES).glob("*.json") for values in read_json(file)]


def crash_error(crashes: Sequence[Crash]) -> GukbapError:
    """One error: the likeliest cause of all with its last lines, the other processes with their very last.

    A signal comes from outside of the processes; that a peer is gone is what the others die of.
    """
    again = "run again to go on from the last checkpoint"
    if not crashes:
        return GukbapError("the training processes failed, and none could say why", fix=again)
    first, *others = sorted(crashes, key=lambda crash: (crash.was_asked, crash.exit_code >= 0, crash.rank))
    words = [f"training process {first.rank} {first.how}"]
    words += [f"  {line}" for line in first.lines] or ["  it had said nothing"]
    for other in others:
        if not other.was_asked:
            words.append(f"then process {other.rank} {other.how}: {(other.lines or ['(no words)'])[-1]}")
    return GukbapError("\n  ".join(words), fix=again)
