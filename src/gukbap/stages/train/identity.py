"""Whose checkpoints lie in a work folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gukbap.config import TrainSettings
from gukbap.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from gukbap.ports import Progress
from gukbap.schemas import Row

MEASUREMENTS = "validation.json"
CHECKPOINTS = "checkpoints"


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of rows, in their order."""
    return sha256_text("\n".join(canonical_json(row.model_dump(mode="json")) for row in rows))


def training_identity(
    settings: TrainSettings, rows: Sequence[Row], validation: Sequence[Row], model_folder: Path
) -> dict[str, Any]:
    """What the weights of a training depend on.

    The base model counts by its configuration and the sizes of its weight files: hashing 15 GB anew
    at each start would cost more than it protects from.
    """
    weights = {path.name: path.stat().st_size for path in model_folder.glob("*.safetensors")}
    return {
        "settings": settings.model_dump(mode="json"),
        "training_sha256": rows_digest(rows),
        "validation_sha256": rows_digest(validation),
        "model": [sha256_file(model_folder / "config.json"), weights],
    }


def claim_work_folder(work: Path, identity: dict[str, Any], progress: Progress) -> None:
    """Remove checkpoints and measurements of any other training, and say whose folder it is now."""
    work.mkdir(parents=True, exist_ok=True)
    memory = work / "identity.json"
    if memory.exists() and canonical_json(read_json(memory)) != canonical_json(identity):
        progress.say(f"the checkpoints in {work} belong to another training and are removed")
        shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
        (work / MEASUREMENTS).unlink(missing_ok=True)
    write_json(memory, identity)
