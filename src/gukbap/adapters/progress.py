"""Progress for people: bars with an ETA in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from gukbap.handover import LINE_PREFIX
from gukbap.ports import Progress, ProgressBar


class TerminalBar:
    """A tqdm bar."""

    def __init__(self, label: str, total: int | None, done: int, stream: TextIO) -> None:
        from tqdm import tqdm

        self._bar = tqdm(
            total=total,
            initial=done,
            desc=label,
            file=stream,
            dynamic_ncols=True,
            leave=True,
            mininterval=0.2,
        )

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Move on by `steps`."""
        if note is not None:
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(steps)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        self._bar.close()


class PlainBar:
    """A line at the start, now and then, and at the end."""

    #: seconds between two lines of one bar
    INTERVAL = 15.0

    def __init__(self, label: str, total: int | None, done: int, stream: TextIO) -> None:
        self._label, self._total, self._stream = label, total, stream
        self._done = self._first = done
        self._note = ""
        self._start = self._shown = time.monotonic()

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Move on by `steps`; prints when a while has passed since the last line."""
        self._done += steps
        self._note = f" {note}" if note else self._note
        if time.monotonic() - self._shown >= self.INTERVAL:
            self._print(self._remaining())

    def close(self) -> None:
        """Print the last state with the time it took."""
        self._print(f" in {_clock(time.monotonic() - self._start)}")

    def _remaining(self) -> str:
        new = self._done - self._first
        if not self._total or not new:
            return ""
        seconds = (time.monotonic() - self._start) / new * (self._total - self._done)
        return f", {_clock(seconds)} left"

    def _print(self, ending: str) -> None:
        of = f"/{self._total}" if self._total else ""
        print(
            f"{LINE_PREFIX}{self._label}: {self._done}{of}{self._note}{ending}", file=self._stream, flush=True
        )
        self._shown = time.monotonic()


class StreamProgress:
    """Progress on a stream: bars where it is a terminal, lines where it is not."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        """A bar for `total` steps of which `done` were done in an earlier run."""
        kind = TerminalBar if self._stream.isatty() else PlainBar
        bar = kind(label, total, done, self._stream)
        try:
            yield bar
        finally:
            bar.close()

    def say(self, line: str) -> None:
        """One line for the person who waits."""
        print(f"{LINE_PREFIX}{line}", file=self._stream, flush=True)


class _SilentBar:
    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Show nothing."""


class SilentProgress:
    """Progress that nobody watches."""

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        """A bar that shows nothing."""
        yield _SilentBar()

    def say(self, line: str) -> None:
        """Say nothing."""


def open_progress(*, quiet: bool = False, stream: TextIO | None = None) -> Progress:
    """Progress on a stream (standard error where None), or none."""
    return SilentProgress() if quiet else StreamProgress(stream)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"
