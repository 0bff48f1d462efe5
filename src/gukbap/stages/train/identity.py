"""Whose checkpoints lie in a work folder."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gukbap.config import TrainConfig, TrainSettings
from gukbap.errors import ConfigError
from gukbap.files import canonical_json, read_json, sha256_file, sha256_text, write_json
from gukbap.ports import Progress
from gukbap.schemas import Row

MEASUREMENTS = "validation.json"
CHECKPOINTS = "checkpoints"
#: How a step's rows are spread over processes and micro-steps, and what only guards the training: none of
#: it changes what is trained.
_SPREAD = {"processes", "per_device_batch_size", "gradient_accumulation"}
_NO_MATTER = {*_SPREAD, "sharding", "save_every_steps", "keep_checkpoints", "collective_timeout_seconds"}
#: What an identity says of it. The rows of a micro-batch decide an epoch's order where rows are grouped.
_HOW_STEPS_ARE_CUT = {"rows_a_step", "per_device_batch_size", "sharding"}


def rows_digest(rows: Sequence[Row]) -> str:
    """SHA-256 of rows, in their order."""
    return sha256_text("\n".join(canonical_json(row.model_dump(mode="json")) for row in rows))


def training_identity(
    settings: TrainSettings, rows: Sequence[Row], validation: Sequence[Row], model_folder: Path
) -> dict[str, Any]:
    """What the weights of a training depend on, and what its checkpoints need to be read again.

    So another number of processes goes on from the same checkpoints where it makes steps of as many rows:
    a sharded checkpoint is read into other shards.
    The base model counts by its configuration and the sizes of its weight files: hashing 15 GB anew at each
    start would cost more than it protects from.
    """
    weights = {path.name: path.stat().st_size for path in model_folder.glob("*.safetensors")}
    return {
        "settings": settings.model_dump(mode="json", exclude={"train": _NO_MATTER}),
        "rows_a_step": rows_a_step(settings.train),
        "per_device_batch_size": settings.train.per_device_batch_size,
        "sharding": settings.train.sharding,
        "training_sha256": rows_digest(rows),
        "validation_sha256": rows_digest(validation),
        "model": [sha256_file(model_folder / "config.json"), weights],
    }


def rows_a_step(train: TrainConfig) -> int:
    """Rows that one optimiser step takes, over all processes."""
    return train.processes * train.per_device_batch_size * train.gradient_accumulation


def claim_work_folder(
    work: Path, identity: dict[str, Any], settings: TrainSettings, progress: Progress
) -> None:
    """Remove checkpoints and measurements of any other training, and say whose folder it is now.

    Raises:
        ConfigError: they are of this very training, cut into other steps or sharded otherwise. Nothing is
            removed: one setting is nearer than hours of GPUs.
    """
    work.mkdir(parents=True, exist_ok=True)
    memory = work / "identity.json"
    known = read_json(memory) if memory.exists() else identity
    different = {key for key in {*known, *identity} if known.get(key) != identity.get(key)}
    if any((work / CHECKPOINTS).glob("checkpoint-*")) and different <= _HOW_STEPS_ARE_CUT:
        _require_readable(work, known, settings.train)
    if different:
        progress.say(f"the checkpoints in {work} belong to another training and are removed")
        _remove(work)
    elif not (work / MEASUREMENTS).exists() and (work / CHECKPOINTS).exists():
        progress.say(f"the checkpoints in {work} lack {MEASUREMENTS}, with which they began, and are removed")
        _remove(work)
    write_json(memory, identity)


def _require_readable(work: Path, known: dict[str, Any], train: TrainConfig) -> None:
    anew = f"or remove {work} to start anew"
    for key in ("sharding", "per_device_batch_size"):
        if known[key] != getattr(train, key):
            raise ConfigError(
                f"the checkpoints in {work} were saved with train.{key}={known[key]}",
                expected=f"the same; train.{key} is {getattr(train, key)}",
                fix=f"set train.{key}={known[key]} to go on from them, {anew}",
            )
    if known["rows_a_step"] != rows_a_step(train):
        raise ConfigError(
            f"the checkpoints in {work} were made in steps of {known['rows_a_step']} rows",
            expected=f"as many; train.processes {train.processes} × per_device_batch_size "
            f"{train.per_device_batch_size} × gradient_accumulation {train.gradient_accumulation} is "
            f"{rows_a_step(train)}",
            fix=f"{_knob(known['rows_a_step'], train)}, {anew}",
        )


def _knob(rows: int, train: TrainConfig) -> str:
    accumulation, left = divmod(rows, train.processes * train.per_device_batch_size)
    if left or not accumulation:
        return f"choose a train.processes by which {rows} can be divided"
    return f"set train.gradient_accumulation={accumulation} to go on from them"


def _remove(work: Path) -> None:
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    (work / MEASUREMENTS).unlink(missing_ok=True)
