"""Processes that outlive the command that started them: found again, never confused, ended for certain.

A process is known by its pid together with the moment of its start, so that another program which got
the pid later is never taken for it. Every process that a server starts carries the server's mark in its
environment, by which those are found whose parent is gone, and those that a killed `gukbap up` had no
time to write down.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from gukbap.errors import GukbapError

#: variable of a server's processes: NAME@FOLDER
MARK = "GUKBAP_LOCAL_SERVER"
#: how long processes may take to end after SIGTERM (SeaweedFS's own limits add up to 16 s), and after
#: SIGKILL, in seconds
TERM_SECONDS, KILL_SECONDS = 30.0, 10.0
_PAUSE = 0.1
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class ProcessId:
    """A process as it is written down."""

    pid: int
    started: str

    @property
    def is_running(self) -> bool:
        """Whether this very process runs."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str | None:
    """When a process was started, exactly; None where it has ended."""
    stat = Path(f"/proc/{pid}/stat")
    if not _BOOT_ID.exists():
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else repr(process.create_time())
        return None
    try:
        # proc(5): the name in parentheses may hold anything; state is field 3, start in ticks field 22.
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    # Ticks since the boot, and not a time of day, which a corrected clock moves.
    return None if fields[0] in "ZX" else f"{_BOOT_ID.read_text().strip()}:{fields[19]}"


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path, mark: str
) -> ProcessId:
    """Start a process in a session of its own, with its output in a log."""
    if log.exists():
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**environment, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _STARTED_HERE.append(process)
    return ProcessId(process.pid, started_at(process.pid) or "ended")


#: Kept so that they are reaped when they end, and no warning is given that they outlive us.
_STARTED_HERE: list[subprocess.Popen[bytes]] = []


def members(mark: str, leader: ProcessId | None) -> list[psutil.Process]:
    """The processes of a server that run: its first one, that one's session, and all with the mark."""
    for process in _STARTED_HERE:
        process.poll()
    session = leader.pid if leader and leader.is_running else None
    return [process for process in psutil.process_iter() if _belongs(process, mark, session)]


def _belongs(process: psutil.Process, mark: str, session: int | None) -> bool:
    with suppress(psutil.Error, ProcessLookupError, PermissionError):  # another user's, or just gone
        if process.status() == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            return False
        in_session = session is not None and os.getsid(process.pid) == session
        return in_session or process.environ().get(MARK) == mark
    return False


def end_all(find: Callable[[], list[psutil.Process]], what: str) -> bool:
    """End every process that `find` finds, and those it finds then: SIGTERM, and after a while SIGKILL.

    Returns:
        Whether there was any.

    Raises:
        GukbapError: one outlives even that.
    """
    any_found = False
    for method, seconds in (("terminate", TERM_SECONDS), ("kill", KILL_SECONDS)):
        deadline, told = time.monotonic() + seconds, set[psutil.Process]()
        while found := find():
            any_found = True
            for process in set(found) - told:
                with suppress(psutil.NoSuchProcess):
                    getattr(process, method)()
                told.add(process)
            if time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        else:
            return any_found
    left = ", ".join(str(process.pid) for process in find())
    raise GukbapError(
        f"{what} does not end: processes {left} outlive SIGKILL", fix="see what they wait for (a full disk?)"
    )
