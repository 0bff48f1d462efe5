"""The runs in an object store: which there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gukbap.adapters.object_keys import Entry
from gukbap.adapters.stored_folders import KEEP, MANIFEST
from gukbap.adapters.stores import Store
from gukbap.adapters.version_store import is_data_set


@dataclass(frozen=True)
class StoredRun:
    """A run's folder in a store."""

    name: str
    objects: int
    #: bytes
    size: int
    #: when its newest object was stored
    modified: datetime
    #: its upload has ended
    whole: bool
    #: marked to be kept
    kept: bool


def stored_runs(store: Store) -> list[StoredRun]:
    """Every run in the store, the newest first; objects outside of folders, and data sets, are none."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in store.entries(""):
        name, _, rest = entry.key.partition("/")
        if rest:
            found[name].append(entry)
    runs = [
        _run(name, entries)
        for name, entries in found.items()
        if not is_data_set(entry.key for entry in entries)
    ]
    return sorted(runs, key=lambda run: (run.modified, run.name), reverse=True)


def _run(name: str, entries: Sequence[Entry]) -> StoredRun:
    keys = {entry.key for entry in entries}
    return StoredRun(
        name,
        len(entries),
        sum(entry.size for entry in entries),
        # Whoever marks a run to be kept does not make it a new one.
        max(entry.modified for entry in entries if len(entries) == 1 or entry.key != f"{name}/{KEEP}"),
        f"{name}/{MANIFEST}" in keys,
        f"{name}/{KEEP}" in keys,
    )
