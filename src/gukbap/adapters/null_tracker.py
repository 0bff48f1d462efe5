"""A tracker that keeps nothing, for runs without MLflow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gukbap.ports import Point


class NullTracker:
    """Accepts what a tracker accepts and records none of it."""

    #: there is no run that another process could open
    run_id: str | None = None

    def child(self, stage: str) -> NullTracker:
        """The tracker of a stage: this one."""
        return self

    def params(self, values: Mapping[str, Any]) -> None:
        """Record nothing."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record nothing."""

    def series(self, points: Sequence[Point]) -> None:
        """Record nothing."""

    def tags(self, values: Mapping[str, str]) -> None:
        """Record nothing."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record nothing."""

    def file(self, path: Path) -> None:
        """Record nothing."""

    def finish(self, status: Literal["FINISHED", "FAILED", "KILLED"] = "FINISHED") -> None:
        """Record nothing."""
