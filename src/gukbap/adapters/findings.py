"""What a check found, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from gukbap.errors import GukbapError

Status = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at, and what to do about it."""

    name: str
    status: Status
    detail: str
    fix: str | None = None


def not_checked(name: str, because: str, fix: str | None = None) -> Finding:
    """What could not be looked at: nothing is said to be right or wrong."""
    return Finding(name, "warning", f"not checked: {because}", fix)


def attempt(name: str, look: Callable[[], str]) -> Finding:
    """What `look` says is well; the error that it raises is a problem."""
    try:
        return Finding(name, "ok", look())
    except GukbapError as error:
        return Finding(name, "problem", error.problem, error.fix or error.expected)
