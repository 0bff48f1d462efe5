"""The folder where fetched and converted models are kept, and its locks."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gukbap.ports import Progress

CACHE_VARIABLE = "GUKBAP_CACHE"


def cache_folder() -> Path:
    """GUKBAP_CACHE, else $XDG_CACHE_HOME/gukbap, else ~/.cache/gukbap."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gukbap"


@contextmanager
def locked(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock of `path` for this process; waits, and says so, while another one has it.

    The kernel gives the lock back when its process ends, however it ends.
    """
    lock = path.parent / f".{path.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"another process prepares {path.name}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
