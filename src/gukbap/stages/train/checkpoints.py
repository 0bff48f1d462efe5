"""Which checkpoints are whole, which one training goes on from, and which are kept.

A checkpoint is whole when its last file, the marker, is there and every file that the marker names has
its size and its SHA-256. Folders within (a sharded checkpoint's) count as the rest does.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gukbap.errors import GukbapError
from gukbap.files import read_json, sha256_file, write_json
from gukbap.ports import Progress

MARKER = "gukbap_complete.json"
_NAME = re.compile(r"^checkpoint-(\d+)$")
#: Files hashed at once: hashing leaves Python's lock, and a shard each is what eight GPUs write.
_AT_ONCE = 8


def mark_complete(folder: Path, seconds: float) -> None:
    """Write the marker, the last file of a checkpoint, once all others are on the disk.

    Args:
        seconds: training time up to this checkpoint.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != MARKER]
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        facts = dict(
            zip((str(path.relative_to(folder)) for path in files), pool.map(_facts, files), strict=True)
        )
    write_json(folder / MARKER, {"files": facts, "seconds": seconds})


def newest_complete(
    folder: Path, progress: Progress, best: Callable[[int], int | None] = lambda step: None
) -> Path | None:
    """The newest whole checkpoint that a training can go on from; None where there is none.

    Damaged ones that are newer are named with what is wrong with them and removed: left lying, a
    process that only looks for a marker would take them. Older ones are not read.

    Args:
        best: the step up to a given one whose checkpoint may yet be exported, if any. Where that is gone,
            training has to go on from before it.
    """
    for path in _newest_first(folder):
        needed = best(step_of(path))
        if needed is not None and not (folder / f"checkpoint-{needed}" / MARKER).exists():
            progress.say(f"{path.name} is removed: the best one until then, checkpoint-{needed}, is gone")
            shutil.rmtree(path)
            continue
        damage = damage_of(path)
        if damage is None:
            return path
        progress.say(f"{path.name} is damaged and removed: {damage}")
        shutil.rmtree(path)
    return None


def newest_marked(folder: Path) -> Path | None:
    """The newest checkpoint with a marker: what each of several processes takes, after whoever started
    them has called `newest_complete`."""
    return next((path for path in _newest_first(folder) if (path / MARKER).exists()), None)


def keep_newest(folder: Path, count: int, best: int | None = None) -> None:
    """Remove all but the `count` newest checkpoints that have a marker and that of the step `best`, and what
    kills have left of older ones. One without a marker that is newer is being saved."""
    kept = 0
    for path in _newest_first(folder):
        marked = (path / MARKER).exists()
        if marked and step_of(path) == best and kept >= max(1, count):
            continue
        if kept < max(1, count):
            kept += marked
            if marked or not kept:
                continue
        # Without its marker it is no checkpoint any more, wherever a kill leaves the rest.
        (path / MARKER).unlink(missing_ok=True)
        shutil.rmtree(path)


def drop_from(folder: Path, step: int) -> None:
    """Remove the checkpoints of a step and of all later ones."""
    for path in _newest_first(folder):
        if step_of(path) >= step:
            (path / MARKER).unlink(missing_ok=True)
            shutil.rmtree(path)


def remove_unfinished(folder: Path) -> None:
    """Remove checkpoints that have no marker: they take the space that a full disk lacks."""
    for path in _newest_first(folder):
        if not (path / MARKER).exists():
            shutil.rmtree(path, ignore_errors=True)


def step_of(checkpoint: Path | None) -> int:
    """The optimiser steps that a checkpoint has behind it; 0 without one."""
    return int(checkpoint.name.rpartition("-")[2]) if checkpoint else 0


def seconds_until(checkpoint: Path | None) -> float:
    """Training time up to a checkpoint."""
    return float(read_json(checkpoint / MARKER)["seconds"]) if checkpoint else 0.0


def damage_of(folder: Path) -> str | None:
    """What is wrong with a checkpoint, by the first file that is not as it was saved; None if nothing."""
    if not (folder / MARKER).exists():
        return "it was not saved to its end"
    try:
        marker = read_json(folder / MARKER)
        files: dict[str, dict[str, Any]] = dict(marker["files"])
        float(marker["seconds"])
        # Sizes first: they cost nothing, and tell most damages.
        for name, facts in files.items():
            if found := _size_damage(folder / name, name, int(facts["bytes"])):
                return found
        hashes = {name: str(facts["sha256"]) for name, facts in files.items()}
    except (GukbapError, OSError, KeyError, TypeError, ValueError):
        return f"{MARKER} cannot be read"
    return _content_damage(folder, hashes)


def _size_damage(path: Path, name: str, size: int) -> str | None:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        return f"{name} is missing"
    return None if found == size else f"{name} has {found} instead of {size} bytes"


def _content_damage(folder: Path, hashes: dict[str, str]) -> str | None:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        try:
            found = list(pool.map(lambda name: sha256_file(folder / name), hashes))
        except OSError as error:
            return f"{error.filename} cannot be read: {error.strerror}"
    for (name, expected), digest in zip(hashes.items(), found, strict=True):
        if digest != expected:
            return f"{name} is not what was saved, by its SHA-256"
    return None


def _facts(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file that is then on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return {"bytes": path.stat().st_size, "sha256": sha256_file(path)}


def _newest_first(folder: Path) -> Iterator[Path]:
    numbered = [
        (int(match[1]), path) for path in folder.glob("checkpoint-*") if (match := _NAME.match(path.name))
    ]
    return (path for _, path in sorted(numbered, reverse=True))
