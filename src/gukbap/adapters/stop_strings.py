"""Where an answer ends by a stop string."""

from __future__ import annotations

from collections.abc import Sequence


def before_stop(text: str, stop: Sequence[str]) -> str:
    """The text up to the first of the stop strings in it."""
    ends = [position for string in stop if (position := text.find(string)) >= 0]
    return text[: min(ends)] if ends else text
