"""A progress display that counts, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gukbap.ports import ProgressBar


class RecordingProgress:
    """Remembers how far each bar moved and what was said."""

    def __init__(self) -> None:
        self.moved: list[int] = []
        self.lines: list[str] = []

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        """A bar that counts its steps."""
        self.moved.append(done)
        yield _Bar(self.moved, len(self.moved) - 1)

    def say(self, line: str) -> None:
        """Remember a line."""
        self.lines.append(line)


class _Bar:
    def __init__(self, moved: list[int], index: int) -> None:
        self._moved, self._index = moved, index

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        self._moved[self._index] += steps
