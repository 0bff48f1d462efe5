"""What a step hands over with its artifacts: facts about each, its numbers, and a note in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gukbap import __version__
from gukbap.config import Section, StageSettings, settings_text
from gukbap.files import folder_fingerprint, sha256_file, sha256_text, write_json, write_text
from gukbap.workers.context import Outcome, shared_folder
from gukbap.workers.editions import Ledger

LEDGER = "ledger"


class Artifact(Protocol):
    """An output artifact as KFP gives it to a component."""

    path: str
    uri: str
    metadata: dict[str, Any]


class Metrics(Protocol):
    """A Metrics artifact as KFP gives it to a component."""

    path: str

    def log_metric(self, metric: str, value: float) -> None:
        """Record one number."""


def hand_over(outcome: Outcome, settings: Section, metrics: Metrics, **artifacts: Artifact) -> None:
    """Describe a step's artifacts, log its numbers, and note in the ledger that the work is done.

    Each artifact's metadata get: sha256, bytes, rows (JSON Lines), gukbap_version, settings_sha256, and
    what the outcome says of itself (teacher, judge, the model's hash).
    """
    common = {
        **{key: value for key, value in outcome.metadata.items() if key not in ("rows", "sha256")},
        "gukbap_version": __version__,
        "settings_sha256": sha256_text(settings_text(settings)),
    }
    for artifact in artifacts.values():
        artifact.metadata.update({**common, **_facts(Path(artifact.path), outcome.metadata)})
    for name, value in outcome.metrics.items():
        metrics.log_metric(name, value)
    # Kubeflow Pipelines keeps metrics as metadata; without a file kfp.local takes the step's work for lost.
    write_json(Path(metrics.path), outcome.metrics)
    shared = shared_folder()
    if shared and isinstance(settings, StageSettings) and settings.edition:
        uris = [artifact.uri for artifact in artifacts.values()]
        Ledger(shared / LEDGER).record(settings.edition, uris)


def _facts(path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    if path.is_dir():
        # Hashing the weights of a 7B model takes a minute: what the stage knows is not computed again.
        sizes = (file.stat().st_size for file in path.rglob("*") if file.is_file())
        return {"sha256": known.get("sha256") or folder_fingerprint(path), "bytes": sum(sizes)}
    facts = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    if (rows := _json_lines(path)) is not None:
        facts["rows"] = rows
    return facts


def _json_lines(path: Path) -> int | None:
    """How many lines a JSON Lines file has; None for any other file."""
    with path.open("rb") as file:
        first = file.readline()
        if first and not (first.startswith(b"{") and first.rstrip().endswith(b"}")):
            return None
        return (1 if first else 0) + sum(1 for _ in file)


def leave_out(metrics: Metrics, *artifacts: Artifact) -> None:
    """Empty artifacts of a step that the run form leaves out (a strategy that is not asked)."""
    write_json(Path(metrics.path), {})
    for artifact in artifacts:
        write_text(Path(artifact.path), "")
        artifact.metadata["left_out"] = True
