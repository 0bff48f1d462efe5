"""Near-dedup after the rows of the version that a run goes on with, and the version that it leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap import __version__
from gukbap.adapters.object_keys import is_temporary
from gukbap.adapters.version_store import VersionStore
from gukbap.config import DataSource, DedupSettings
from gukbap.data_versions import INDEX, ROWS, SEEDS, Manifest, StoredFile
from gukbap.errors import StoreError
from gukbap.files import (
    atomic_file,
    canonical_json,
    each_jsonl,
    join_files,
    read_json,
    read_jsonl,
    sha256_file,
    sha256_text,
    write_jsonl,
)
from gukbap.handover import RUN_ID
from gukbap.ports import Progress
from gukbap.schemas import Row, Seed
from gukbap.stages.data_set import summarise
from gukbap.stages.dedup.incremental import dedup_after
from gukbap.stages.generate import strangers
from gukbap.workers.data_versions import Base, fetch_base, fetch_version, open_versions

#: a round is repeated only where another run has published meanwhile
_ROUNDS = 100


@dataclass(frozen=True)
class _Version:
    """A version in a folder, before it is in the store."""

    manifest: Manifest
    folder: Path


def grow(
    settings: DedupSettings,
    source: DataSource,
    *,
    given: Path,
    seeds: Path,
    statement: Path,
    kept: Path,
    removed: Path,
    work: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Remove near-duplicates as near-dedup does, rows of the base first; publish what stays as a version.

    What is written to `kept` depends on the base alone. Where another run has published since the base was
    chosen, its version and this run's new rows become a further one, which later runs go on with.

    Args:
        settings: what counts as a near-duplicate.
        source: the data set, with its base by id.
        given: clean rows, JSON Lines of Row, among them those of the base.
        seeds: all seeds that were evolved so far, JSON Lines of Seed.
        statement: on decontamination, about the given rows.
        kept: where the rows that stay are written.
        removed: where the others are written, JSON Lines of Removed.
        work: scratch room that a retry takes up.
        progress: where bars are shown.

    Returns:
        Statistics of near-dedup, and `data`: what was published.

    Raises:
        StoreError: the store fails.
    """
    versions, base = open_versions(source), fetch_base(source)
    growth = _Growth(settings, versions, work, progress)
    earlier, new = work / "earlier.jsonl", work / "new.jsonl"
    ids = _divide(given, set(base.row_ids()) if base else set(), earlier, new)
    folder, statistics = growth.dedup(earlier, ids, new, base, removed)
    shutil.copyfile(seeds, folder / SEEDS)
    ours = growth.described(folder, base, [read_json(statement)["sha256"]])
    join_files(kept, [folder / ROWS])
    number = growth.publish(ours, base, source.after)
    statistics["data"] = {
        "name": source.name,
        "base": source.base,
        "version": ours.manifest.id,
        "number": number,
        **ours.manifest.model_dump(include={"rows", "new_rows", "gone_rows", "seeds", "new_seeds"}),
    }
    if base:
        shutil.rmtree(base.folder, ignore_errors=True)
    return statistics


@dataclass(frozen=True)
class _Growth:
    settings: DedupSettings
    versions: VersionStore
    work: Path
    progress: Progress

    def dedup(
        self, earlier: Path, ids: Sequence[str], new: Path, base: Base | None, removed: Path
    ) -> tuple[Path, dict[str, Any]]:
        """Near-dedup of new rows after earlier ones, of the given ids; returns the folder of the new version
        with its rows and its index, and the statistics."""
        work = self.work / (base.manifest.id if base else "first")
        folder = work / "version"
        if base:
            self.versions.fetch(base.manifest.of_index(), folder)
        statistics = dedup_after(
            self.settings,
            earlier,
            ids,
            new,
            index=folder / INDEX,
            kept=folder / ROWS,
            removed=removed,
            folder=work,
            progress=self.progress,
        )
        return folder, statistics

    def described(
        self, folder: Path, parent: Base | None, statements: Iterable[str], joined: str | None = None
    ) -> _Version:
        """The version in a folder, with its manifest."""
        summary, seeds = summarise(each_jsonl(folder / ROWS, Row)), read_jsonl(folder / SEEDS, Seed)
        before, ids = set(parent.row_ids()) if parent else set(), set(summary.ids)
        chosen = self.settings.dedup.model_dump(mode="json", exclude={"workers"})
        manifest = Manifest(
            parent=parent.manifest.id if parent else None,
            joined=joined,
            rows=len(ids),
            new_rows=len(ids - before),
            gone_rows=len(before - ids),
            seeds=len(seeds),
            new_seeds=len(seeds) - (parent.manifest.seeds if parent else 0),
            categories=summary.categories,
            operations=summary.operations,
            sources=summary.sources,
            settings_sha256=sha256_text(canonical_json(chosen)),
            statements=sorted(set(statements)),
            gukbap_version=__version__,
            files=_files(folder),
        )
        return _Version(manifest, folder)

    def publish(self, ours: _Version, base: Base | None, after: int) -> int | None:
        """Store a version and write it into the log; returns its number.

        None: nothing is new. Of a version that is joined with another run's, the number of the joined one.
        """
        if base and base.manifest.id == ours.manifest.id:
            return None
        self.versions.publish(ours.folder, ours.manifest)
        newest, number = ours.manifest, after + 1
        for _ in range(_ROUNDS):
            if self.versions.append(number, newest.id, os.environ.get(RUN_ID, "unnamed")):
                return number
            log = [entry for entry in self.versions.log() if entry.number > after]
            for entry in log:
                # An earlier attempt of this step, or a run with the same data, has been here.
                if ours.manifest.id in (entry.version, self.versions.manifest(entry.version).joined):
                    return entry.number
            if not log:
                continue
            winner = fetch_version(self.versions, log[-1].version)
            newest = self._join(winner, ours, base)
            if newest.id == winner.manifest.id:
                return log[-1].number
            number = log[-1].number + 1
        raise StoreError(
            f"the log of {self.versions.name} does not come to rest",
            expected="a store that shows what was written before",
            fix="run the step again; the version itself is stored",
        )

    def _join(self, winner: Base, ours: _Version, base: Base | None) -> Manifest:
        """Store another run's version with this run's new rows; of a seed that both evolved, the other's."""
        others = winner.seeds()
        seeds = read_jsonl(ours.folder / SEEDS, Seed)
        own = strangers(strangers(seeds, base.seeds() if base else []), others)
        names = {seed.id for seed in own}
        rows = (row for row in each_jsonl(ours.folder / ROWS, Row) if row.lineage.seed_id in names)
        new, removed = self.work / "joining.jsonl", self.work / "removed-in-joining.jsonl"
        write_jsonl(new, rows)
        folder, _ = self.dedup(winner.rows_file, winner.row_ids(), new, winner, removed)
        write_jsonl(folder / SEEDS, [*others, *own])
        statements = [*winner.manifest.statements, *ours.manifest.statements]
        joined = self.described(folder, winner, statements, ours.manifest.id)
        self.versions.publish(joined.folder, joined.manifest)
        shutil.rmtree(winner.folder, ignore_errors=True)
        self.progress.say(f"{winner.manifest.id} was published meanwhile; joined as {joined.manifest.id}")
        return joined.manifest


def _divide(given: Path, known: Collection[str], earlier: Path, new: Path) -> list[str]:
    """Write rows into one of two files, by whether their ids are known; returns those that are."""
    ids = []
    with atomic_file(earlier) as stood, atomic_file(new) as came:
        for row in each_jsonl(given, Row):
            if row.id in known:
                ids.append(row.id)
            line = canonical_json(row.model_dump(mode="json"))
            (stood if row.id in known else came).write(f"{line}\n".encode())
    return ids


def _files(folder: Path) -> dict[str, StoredFile]:
    found = {path: path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): StoredFile(sha256=sha256_file(path), size=path.stat().st_size)
        for path, name in found.items()
        if not is_temporary(name)
    }
