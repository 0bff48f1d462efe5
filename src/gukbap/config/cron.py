"""Cron lines as Kubeflow Pipelines takes them (robfig/cron, seconds first): what is wrong with one."""

from __future__ import annotations

import re

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
#: field → its least and greatest number, and names that stand for numbers from the least on
_FIELDS: tuple[tuple[str, int, int, tuple[str, ...]], ...] = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of month", 1, 31, ()),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 6, _DAYS),
)
_SHORT = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)")
_PART = re.compile(r"(?P<all>[*?])(/(?P<step>\d+))?|(?P<low>\w+)(-(?P<high>\w+))?(/(?P<step2>\d+))?")


def wrong_cron(line: str) -> str | None:
    """What is wrong with a cron line, in words; None for one that can be read."""
    if line.startswith("@"):
        return None if _SHORT.fullmatch(line) else "no such short form"
    fields = line.split()
    if len(fields) != len(_FIELDS):
        return f"it has {len(fields)} fields"
    for text, (name, least, greatest, names) in zip(fields, _FIELDS, strict=True):
        if not all(_fits(part, least, greatest, names) for part in text.split(",")):
            return f"{text!r} is no {name} ({least} to {greatest})"
    return None


def _fits(part: str, least: int, greatest: int, names: tuple[str, ...]) -> bool:
    match = _PART.fullmatch(part)
    if match is None or "0" in (match["step"], match["step2"]):
        return False
    if match["all"]:
        return True
    low = _number(match["low"], least, names)
    high = _number(match["high"], least, names) if match["high"] else greatest
    return low is not None and high is not None and least <= low <= high <= greatest


def _number(text: str, least: int, names: tuple[str, ...]) -> int | None:
    if text.upper() in names:
        return names.index(text.upper()) + least
    return int(text) if text.isascii() and text.isdigit() else None
