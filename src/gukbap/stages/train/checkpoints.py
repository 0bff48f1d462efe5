"""Which checkpoints are whole, and which one training goes on from."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from gukbap.errors import GukbapError
from gukbap.files import read_json, write_json
from gukbap.ports import Progress

MARKER = "gukbap_complete.json"
_NAME = re.compile(r"^checkpoint-(\d+)$")


def mark_complete(folder: Path, seconds: float) -> None:
    """Write the marker, the last file of a checkpoint: the size of every other file.

    Args:
        seconds: training time up to this checkpoint.
    """
    sizes = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    sizes.pop(MARKER, None)
    write_json(folder / MARKER, {"files": sizes, "seconds": seconds})


def newest_complete(folder: Path, progress: Progress) -> Path | None:
    """The newest whole checkpoint; None where there is none. Torn ones are removed, newest or not:
    left lying, they would count as kept when older checkpoints are cleared away."""
    numbered = [
        (int(match[1]), path) for path in folder.glob("checkpoint-*") if (match := _NAME.match(path.name))
    ]
    whole: list[tuple[int, Path]] = []
    for step, path in sorted(numbered):
        if _is_whole(path):
            whole.append((step, path))
        else:
            progress.say(f"{path.name} is incomplete and is not used")
            shutil.rmtree(path)
    return whole[-1][1] if whole else None


def seconds_until(checkpoint: Path | None) -> float:
    """Training time up to a checkpoint."""
    return float(read_json(checkpoint / MARKER)["seconds"]) if checkpoint else 0.0


def _is_whole(folder: Path) -> bool:
    try:
        sizes: dict[str, Any] = read_json(folder / MARKER)["files"]
        read_json(folder / "trainer_state.json")
        if any((folder / name).stat().st_size != size for name, size in sizes.items()):
            return False
        return all(_readable(path) for path in folder.glob("*.safetensors"))
    except (OSError, KeyError, TypeError, GukbapError):
        return False


def _readable(weights: Path) -> bool:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights, framework="pt") as file:
            return bool(list(file.keys()))
    except SafetensorError:
        return False
