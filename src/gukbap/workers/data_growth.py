"""Near-dedup after the rows of the version that a run goes on with, and the version that it leaves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
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
    canonical_json,
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
from gukbap.stages.data_set import by_category, by_operation, licence_table
from gukbap.stages.dedup.incremental import dedup_after
from gukbap.stages.generate import strangers
from gukbap.stages.training_input import spool_training
from gukbap.workers.data_versions import Base, fetch_base, fetch_version, open_versions

#: a round is repeated only where another run has published meanwhile
_ROUNDS = 100


@dataclass(frozen=True)
class _Version:
    """A version in a folder, before it is in the store."""

    manifest: Manifest
    folder: Path
    rows: Sequence[Row]
    seeds: Sequence[Seed]


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
    before = {row.id for row in base.rows()} if base else set()
    rows = spool_training(given, Row, work)
    growth = _Growth(settings, versions, work, progress)
    earlier = (row for row in rows if row.id in before)
    new = (row for row in rows if row.id not in before)
    folder, statistics = growth.dedup(earlier, new, base, removed)
    shutil.copyfile(seeds, folder / SEEDS)
    ours = growth.described(folder, base, [read_json(statement)["sha256"]])
    join_files(kept, [folder / ROWS])
    number = growth.publish(ours, base, source.after)
    manifest = ours.manifest
    statistics["data"] = {
        "name": source.name,
        "base": source.base,
        "version": manifest.id,
        "number": number,
        **manifest.model_dump(include={"rows", "new_rows", "gone_rows", "seeds", "new_seeds"}),
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
        self, earlier: Iterable[Row], new: Iterable[Row], base: Base | None, removed: Path
    ) -> tuple[Path, dict[str, Any]]:
        """Near-dedup of new rows after earlier ones; returns the folder of the new version with its rows and
        its index, and the statistics."""
        work = self.work / (base.manifest.id if base else "first")
        folder = work / "version"
        ids: list[str] = []

        def noted(rows: Iterable[Row]) -> Iterator[Row]:
            for row in rows:
                ids.append(row.id)
                yield row

        write_jsonl(work / "earlier.jsonl", noted(earlier))
        write_jsonl(work / "new.jsonl", new)
        if base:
            self.versions.fetch(base.manifest.of_index(), folder)
        statistics = dedup_after(
            self.settings,
            work / "earlier.jsonl",
            ids,
            work / "new.jsonl",
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
        rows, seeds = spool_training(folder / ROWS, Row, self.work), read_jsonl(folder / SEEDS, Seed)
        before = {row.id for row in parent.rows()} if parent else set()
        ids = {row.id for row in rows}
        chosen = self.settings.dedup.model_dump(mode="json", exclude={"workers"})
        manifest = Manifest(
            parent=parent.manifest.id if parent else None,
            joined=joined,
            rows=len(rows),
            new_rows=len(ids - before),
            gone_rows=len(before - ids),
            seeds=len(seeds),
            new_seeds=len(seeds) - (parent.manifest.seeds if parent else 0),
            categories=by_category(rows),
            operations=by_operation(rows),
            sources=licence_table(rows),
            settings_sha256=sha256_text(canonical_json(chosen)),
            statements=sorted(set(statements)),
            gukbap_version=__version__,
            files=_files(folder),
        )
        return _Version(manifest, folder, rows, seeds)

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
        own = strangers(strangers(ours.seeds, base.seeds() if base else []), others)
        names = {seed.id for seed in own}
        rows = [row for row in ours.rows if row.lineage.seed_id in names]
        removed = self.work / "removed-in-joining.jsonl"
        folder, _ = self.dedup(winner.rows(), rows, winner, removed)
        write_jsonl(folder / SEEDS, [*others, *own])
        statements = [*winner.manifest.statements, *ours.manifest.statements]
        joined = self.described(folder, winner, statements, ours.manifest.id)
        self.versions.publish(joined.folder, joined.manifest)
        shutil.rmtree(winner.folder, ignore_errors=True)
        self.progress.say(f"{winner.manifest.id} was published meanwhile; joined as {joined.manifest.id}")
        return joined.manifest


def _files(folder: Path) -> dict[str, StoredFile]:
    found = {path: path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        name.as_posix(): StoredFile(sha256=sha256_file(path), size=path.stat().st_size)
        for path, name in found.items()
        if not is_temporary(name)
    }
