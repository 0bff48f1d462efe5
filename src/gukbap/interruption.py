"""SIGTERM, by which Kubernetes ends a pod, means what a person's SIGINT means: one way out."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def terminating_as_interrupt() -> Iterator[None]:
    """Let SIGTERM be heard as KeyboardInterrupt, so that no process is left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def remembering_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a function that raises KeyboardInterrupt where one was raised and got lost.

    The signal may come in the middle of a callback of the garbage collector or of an import, where
    Python, or a library, drops whatever is raised: a person's Ctrl-C would change nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    heard: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        heard.append(number)
        raise KeyboardInterrupt

    def check() -> None:
        if heard:
            raise KeyboardInterrupt

    usual = sys.unraisablehook

    def tell(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            usual(unraisable)

    previous = signal.signal(signal.SIGINT, handle)
    sys.unraisablehook = tell
    try:
        yield check
    finally:
        sys.unraisablehook = usual
        signal.signal(signal.SIGINT, previous)
