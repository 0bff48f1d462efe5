"""Runs and a registry for tests of retention: files of a run's shape, versions of a real MLflow."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_registry import ModelRegistry
from gukbap.adapters.mlflow_tracker import open_run

DAY = 86_400
MODEL = "gukbap-kept"
#: files of a run, by part
FILES = {
    "model": ["model/model.safetensors", "model/config.json"],
    "journals": ["work/generate-1/calls.jsonl", "work/logs/log.txt"],
    "checkpoints": ["work/train-1/checkpoints/checkpoint-4/state.bin"],
    "stays": ["recipe.json", "dataset/train.jsonl", "scores.json", "work/executor/train.json"],
}


def a_run(root: Path, run: str, *, finished: bool = True, days: float = 100) -> Path:
    """A run's folder whose last step ended so many days ago."""
    folder = root / run
    for name in (name for names in FILES.values() for name in names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name} of {run}")
    state = folder / "run.json"
    state.write_text(json.dumps({"id": run, "steps": {"promote": {}} if finished else {"generate": {}}}))
    ended = time.time() - days * DAY
    os.utime(state, (ended, ended))
    return folder


def names(folder: Path) -> set[str]:
    """The files of a run, locks left out."""
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - {".lock", "manifest.json"}


def parts(folder: Path) -> set[str]:
    """The parts of which a run still has all files."""
    there = names(folder)
    return {part for part, files in FILES.items() if set(files) <= there}


def register(uri: str, run: str, source: str, *, verdict: str = "refused", promote: bool = False) -> int:
    """A version of the run's model, as the promote step makes it; the run is ended."""
    tracker = open_run("gukbap", run, run, uri)
    registry = ModelRegistry(tracker, MODEL)
    number = registry.own_version(source, {"kfp.run_id": run})
    if promote:
        assert registry.log.change("promotion", number, after=registry.log.settled())
        registry.log.settled()
    registry.settle(number, "promoted" if promote else verdict, "made up")
    tracker.finish()
    return number


def versions(client: Any) -> set[int]:
    return {int(one.version) for one in client.search_model_versions(f"name = '{MODEL}'")}
