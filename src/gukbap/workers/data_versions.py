"""A data set that grows: which version a run goes on with, and what it has of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.adapters.stores import open_store
from gukbap.adapters.version_store import LATEST, VersionStore
from gukbap.config import DataSource, Recipe
from gukbap.data_versions import ROWS, SEEDS, Manifest
from gukbap.errors import ConfigError
from gukbap.files import each_jsonl, read_json, read_jsonl, write_json
from gukbap.schemas import Row, Seed
from gukbap.workers import context

#: where a run notes which version it goes on with
_PINNED = "data-base.json"


def open_versions(source: DataSource) -> VersionStore:
    """The versions of a data set.

    Raises:
        StoreError: the store cannot be reached, refuses the keys, or lacks the bucket.
    """
    store = open_store(source.store)
    if store is None:
        raise ConfigError("data.store names no store", expected="s3://bucket/prefix or file:///folder")
    return VersionStore(store, source.name)


def pin_base(recipe: Recipe) -> Recipe:
    """The recipe with its base by id: a run that is resumed goes on with the one that it began with.

    Raises:
        InputError: there is no such version.
        StoreError: the store fails.
    """
    source = recipe.data_source
    if source is None:
        return recipe
    folder = context.lasting_folder()
    note = folder / _PINNED if folder else None
    if note and note.exists():
        pinned = read_json(note)
    else:
        pinned = _pinned(open_versions(source), source.base)
        if note:
            write_json(note, pinned)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=pinned)})


def _pinned(versions: VersionStore, base: str | None) -> dict[str, Any]:
    newest = versions.latest()
    if base == LATEST:
        base = newest.version if newest else None
    elif base is not None:
        base = versions.resolve(base)
    return {"base": base, "after": newest.number if newest else 0}


@dataclass(frozen=True)
class Base:
    """A version whose rows and seeds are at hand."""

    manifest: Manifest
    folder: Path

    @property
    def rows_file(self) -> Path:
        """JSON Lines of Row."""
        return self.folder / ROWS

    def rows(self) -> Iterator[Row]:
        """The rows, one after the other."""
        return each_jsonl(self.rows_file, Row)

    def row_ids(self) -> list[str]:
        """The rows' ids; the file's hash was checked, so that no row need be."""
        with self.rows_file.open(encoding="utf-8", newline="\n") as lines:
            return [json.loads(line)["id"] for line in lines]

    def seeds(self) -> list[Seed]:
        """All seeds that were evolved so far."""
        return read_jsonl(self.folder / SEEDS, Seed)


def fetch_base(source: DataSource | None) -> Base | None:
    """The version that a run goes on with; None where it begins anew.

    Raises:
        StoreError: it is missing or damaged, or the store fails.
    """
    if source is None or source.base is None:
        return None
    return fetch_version(open_versions(source), source.base)


def fetch_version(versions: VersionStore, version: str) -> Base:
    """A version's rows and seeds, in the run's scratch folder."""
    manifest = versions.manifest(version)
    folder = context.work_folder() / f"data-{version}"
    versions.fetch({name: manifest.files[name] for name in (ROWS, SEEDS)}, folder)
    return Base(manifest, folder)
