"""Runs in a store as what may be kept or deleted of them: journals, checkpoints, the model, all of it.

A folder of runs on this machine is a store, too. What holds no recipe.json and run.json is no run: data set
versions, MLflow's artifacts, and whatever else lies there, are not seen and not touched.
"""

from __future__ import annotations

import fcntl
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.object_keys import Entry
from gukbap.adapters.stored_folders import KEEP, MANIFEST, read_manifest
from gukbap.adapters.stores import Store
from gukbap.files import read_json, write_json
from gukbap.holdings import FoundRegistry, FoundRun, Part

RECIPE, STATE, LOCK = "recipe.json", "run.json", ".lock"
#: the step with which a run has ended
LAST_STEP = "promote"
_CHECKPOINT = re.compile(r"^work/(.+/)?checkpoint-\d+/")
#: What a step handed on: a run that is resumed reads it, and it is small.
_HANDED_ON = "work/executor/"


def find_runs(store: Store) -> list[FoundRun]:
    """Every run in a store.

    Raises:
        StoreError: the store cannot be reached.
    """
    by_run: dict[str, list[Entry]] = {}
    for entry in store.entries(""):
        by_run.setdefault(entry.key.partition("/")[0], []).append(entry)
    found = (_found(store, run, entries) for run, entries in sorted(by_run.items()))
    return [run for run in found if run is not None]


def find_run(store: Store, run: str) -> FoundRun | None:
    """A run as it is now; None where there is none any more."""
    return _found(store, run, list(store.entries(f"{run}/")))


def _found(store: Store, run: str, entries: Sequence[Entry]) -> FoundRun | None:
    names = {entry.key.removeprefix(f"{run}/"): entry for entry in entries}
    if RECIPE not in names or STATE not in names:
        return None
    sizes: Counter[Part] = Counter()
    for name, entry in names.items():
        sizes["run"] += entry.size
        if part := part_of(name):
            sizes[part] += entry.size
    with held(store, run, make=False) as free:
        busy = not free
    return FoundRun(
        place=_place(store, run),
        run=run,
        finished=LAST_STEP in _steps(store, run),
        ended=names[STATE].modified,
        busy=busy,
        pinned=KEEP in names,
        sizes=sizes,
    )


def find_work(store: FolderStore, run: str, registry: FoundRegistry) -> FoundRun | None:
    """The journals and checkpoints that a cluster's claim has of a run; None where there are none any more.

    Whether it finished, MLflow knows; a run that MLflow does not know counts as one that did not.
    """
    entries = list(store.entries(f"{run}/"))
    if not entries:
        return None
    newest = max(entry.modified for entry in entries)
    finished, ended = registry.ended_runs.get(run, (False, newest))
    return FoundRun(
        place=_place(store, run),
        run=run,
        finished=finished,
        ended=max(ended, newest),
        busy=False,
        pinned=any(entry.key == f"{run}/{KEEP}" for entry in entries),
        sizes={"run": sum(entry.size for entry in entries)},
        work_only=True,
    )


def _place(store: Store, run: str) -> str:
    return store.uri(run).rpartition("/")[0]


def part_of(name: str) -> Part | None:
    """To which part a file of a run belongs, by its name in the run's folder; None: to none alone."""
    if name.startswith("model/"):
        return "model"
    if _CHECKPOINT.match(name):
        return "checkpoints"
    return "journals" if name.startswith("work/") and not name.startswith(_HANDED_ON) else None


def _steps(store: Store, run: str) -> Mapping[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / STATE
        store.get_file(f"{run}/{STATE}", file)
        steps: Mapping[str, object] = read_json(file).get("steps", {})
    return steps


@contextmanager
def held(store: Store, run: str, *, make: bool = True) -> Iterator[bool]:
    """Hold a run of this machine against processes that work in it; in a bucket there is nothing to hold.

    Args:
        store: that holds the run.
        run: its id.
        make: make the file of the lock where there is none; without, such a run counts as free.

    Yields:
        Whether it is held; False: another process works in it.
    """
    lock = store.root / run / LOCK if isinstance(store, FolderStore) else None
    if lock is None or not (lock.exists() or (make and lock.parent.is_dir())):
        yield True
        return
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def delete_part(store: Store, run: str, part: Part) -> None:
    """Delete a part of a run, or all of it; killed in between, the next call goes on.

    The manifest changes first, so that what is left is never taken for more than it is. Of a whole run the
    files go last by which it is known.
    """
    if part == "run":
        store.delete(f"{run}/{MANIFEST}")
        last = [f"{run}/{name}" for name in (KEEP, LOCK, STATE, RECIPE)]
        keys = [entry.key for entry in store.entries(f"{run}/")]
        for key in [*(key for key in keys if key not in last), *last]:
            store.delete(key)
        if isinstance(store, FolderStore):  # empty folders, and what atomic writes left when they were killed
            shutil.rmtree(store.root / run, ignore_errors=True)
        return
    keys = [
        entry.key for entry in store.entries(f"{run}/") if part_of(entry.key.removeprefix(f"{run}/")) == part
    ]
    _shorten_manifest(store, run, part)
    for key in keys:
        store.delete(key)


def _shorten_manifest(store: Store, run: str, part: Part) -> None:
    if not store.exists(f"{run}/{MANIFEST}"):
        return
    with tempfile.TemporaryDirectory() as folder:
        files = read_manifest(store, run, Path(folder))
        left = {name: one.model_dump() for name, one in files.items() if part_of(name) != part}
        if len(left) < len(files):
            write_json(Path(folder) / MANIFEST, {"files": left})
            store.put_file(Path(folder) / MANIFEST, f"{run}/{MANIFEST}")
