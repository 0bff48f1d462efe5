"""The runs in an object store: which there are, and which of them may go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gukbap.adapters.object_keys import Entry
from gukbap.adapters.stored_folders import KEEP, MANIFEST
from gukbap.adapters.stores import Store

#: An upload that has not ended in so long was killed and is not gone on with.
UNFINISHED_AFTER = timedelta(days=7)


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
    """Every run in the store, the newest first; objects outside of folders are none."""
    found: dict[str, list[Entry]] = defaultdict(list)
    for entry in store.entries(""):
        name, _, rest = entry.key.partition("/")
        if rest:
            found[name].append(entry)
    runs = [_run(name, entries) for name, entries in found.items()]
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


def outdated(
    runs: Sequence[StoredRun], *, keep_runs: int | None, keep_days: float | None, now: datetime
) -> list[StoredRun]:
    """The runs that a rule lets go: beyond the newest so many, and older than so many days.

    With both, a run goes only where both let it. The newest whole run, runs marked with KEEP, and
    everything newer than the newest whole run stay in any case.
    """
    newest = next((index for index, run in enumerate(runs) if run.whole), len(runs))
    going = []
    for index, run in enumerate(runs):
        if run.kept or index <= newest:
            continue
        beyond = keep_runs is None or index >= keep_runs
        old = keep_days is None or run.modified < now - timedelta(days=keep_days)
        if beyond and old:
            going.append(run)
    return going


def remove_run(store: Store, run: StoredRun) -> int:
    """Delete a run's objects; returns how many. The manifest goes first: what is left is never whole."""
    store.delete(f"{run.name}/{MANIFEST}")
    keys = [entry.key for entry in store.entries(f"{run.name}/")]
    for key in keys:
        store.delete(key)
    return len(keys) + 1
