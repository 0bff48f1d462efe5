"""Calls on a call stack of their own.

kfp reads the source of every frame of the stack with each setting of a task (inspect.stack()). Below
pytest that takes ten seconds for a pipeline which compiles in half a second from a command line.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Returned = TypeVar("Returned")


def on_own_stack(work: Callable[[], Returned]) -> Returned:
    """Call in a new thread, and wait; what it raises is raised here."""
    with ThreadPoolExecutor(max_workers=1) as threads:
        return threads.submit(work).result()
