"""SIGTERM, by which Kubernetes ends a pod, means what a person's SIGINT means: one way out.

Both become KeyboardInterrupt, with two cares that Python does not take. Raised during an import it can get
lost in a library's `except`, or end the process with an abort where the import passes through C++ (torch's
does): it waits for the import's end. Raised in a callback of the garbage collector it is dropped: whoever
asks for it can find out.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

#: An import that has not ended so long after the signal is not waited for.
LONGEST_IMPORT_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.05
#: A training that is asked to stop ends its step and saves a checkpoint: four GPUs that train 7B parameters
#: write 84 GB. Afterwards it may be killed.
LONGEST_SAVE_SECONDS = 120


@contextmanager
def terminating_as_interrupt() -> Iterator[None]:
    """Let SIGTERM be heard as KeyboardInterrupt, so that no process is left behind."""
    with _heard(signal.SIGTERM):
        yield


@contextmanager
def remembering_interrupts() -> Iterator[Callable[[], None]]:
    """Hear SIGINT, and yield a function that raises KeyboardInterrupt where one was raised and got lost."""
    usual = sys.unraisablehook

    def tell(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            usual(unraisable)

    with _heard(signal.SIGINT) as check:
        sys.unraisablehook = tell
        try:
            yield check
        finally:
            sys.unraisablehook = usual


@contextmanager
def _heard(number: signal.Signals) -> Iterator[Callable[[], None]]:
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    ear = _Ear()
    previous = signal.signal(number, ear.handle)
    try:
        yield ear.check
    finally:
        ear.close()
        signal.signal(number, previous)


class _Ear:
    def __init__(self) -> None:
        self._first: float | None = None
        self._timers: list[threading.Timer] = []

    def check(self) -> None:
        """Raise KeyboardInterrupt where the signal came, whatever became of that."""
        if self._first is not None:
            raise KeyboardInterrupt

    def handle(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        self._first = self._first or now
        if _importing(frame) and now - self._first < LONGEST_IMPORT_SECONDS:
            timer = threading.Timer(_LOOK_EVERY_SECONDS, signal.raise_signal, [number])
            timer.daemon = True
            timer.start()
            # A person may send the signal again meanwhile: each has its own.
            self._timers = [*(one for one in self._timers if one.is_alive()), timer]
            return
        raise KeyboardInterrupt

    def close(self) -> None:
        """No signal comes of itself any more."""
        for timer in self._timers:
            timer.cancel()
            timer.join()


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib._bootstrap"):
            return True
        frame = frame.f_back
    return False
