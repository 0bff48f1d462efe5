"""Data set versions in an object store: written once, found by log, by id and by the beginning of an id.

Which version is the newest is a log of numbered objects. Each is stored only where its number is free, and
the store says who was first, so of two runs that write the same number one fails and sees the other's.

Limits. The store must know that condition. Folders with hard links and SeaweedFS 4.48 do (measured);
SeaweedFS up to 4.16 checks it without a lock, and MinIO lets it go where it has no read quorum: there the
later of two that write in the same moment may take the other's number, whose version is still in the store,
beside the log. Whoever deletes objects of `files/` damages every version that has them, as `gukbap data show
--verify` tells.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gukbap.adapters.stored_folders import FILES_AT_ONCE
from gukbap.adapters.stores import Store
from gukbap.data_versions import ID_DIGITS, LogEntry, Manifest, StoredFile
from gukbap.errors import InputError, StoreError
from gukbap.files import canonical_json, read_json, sha256_file

LATEST = "latest"
_ENTRY = re.compile(r"/log/(\d{6,})\.json$")
_VERSION = re.compile(rf"/versions/([0-9a-f]{{{ID_DIGITS}}})\.json$")
_NAME = re.compile(r"^([^/]+)/versions/")
# Files come first: a data set may have no version yet.
_FILE = re.compile(r"/files/[0-9a-f]{64}$")
#: versions that an error names
_NAMED = 10

Document = TypeVar("Document", bound=BaseModel)


def data_set_names(store: Store) -> list[str]:
    """The data sets of which the store has versions."""
    found = (_NAME.match(key) for key in store.list(""))
    return sorted({match[1] for match in found if match})


def is_data_set(keys: Iterable[str]) -> bool:
    """Whether the objects of one folder are all a data set's."""
    return all(any(form.search(key) for form in (_FILE, _VERSION, _ENTRY)) for key in keys)


class VersionStore:
    """The versions of one data set."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self.name = store, name

    def log(self) -> list[LogEntry]:
        """All entries, the first one first."""
        return [self._entry(number) for number in self._numbers()]

    def latest(self) -> LogEntry | None:
        """The last entry of the log; None before the first."""
        numbers = self._numbers()
        return self._entry(numbers[-1]) if numbers else None

    def append(self, number: int, version: str, run: str) -> bool:
        """Write an entry, if its number is free.

        Returns:
            Whether it stands; False: another run was quicker.
        """
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        entry = LogEntry(number=number, version=version, run=run, at=at)
        return self._store.put_new(self._entry_key(number), _bytes(entry))

    def ids(self) -> list[str]:
        """Every version that is whole, sorted; also those that the log does not name."""
        found = (_VERSION.search(key) for key in self._store.list(f"{self.name}/versions/"))
        return sorted(match[1] for match in found if match)

    def resolve(self, reference: str) -> str:
        """The id that `latest`, an id, or the beginning of one names.

        Raises:
            InputError: none, or several; those that there are are named.
        """
        if reference == LATEST:
            newest = self.latest()
            if newest is not None:
                return newest.version
        ids = self.ids()
        found = [one for one in ids if one.startswith(reference)] if reference else []
        if len(found) == 1:
            return found[0]
        shown = found or ids
        more = f" and {len(shown) - _NAMED} more" if len(shown) > _NAMED else ""
        named = ", ".join(shown[:_NAMED]) + more
        raise InputError(
            f"{reference!r} begins {len(found)} versions of {self.name}: {named}"
            if found
            else f"{self._store.uri(self.name)} has no version {reference!r}",
            expected=f"one of {named}" if ids else "a data set with versions; this one has none yet",
            fix="gukbap data list shows them all",
        )

    def manifest(self, version: str) -> Manifest:
        """What a version holds.

        Raises:
            StoreError: there is no such version, or its manifest is not one.
        """
        return self._read(self._manifest_key(version), Manifest)

    def fetch(self, files: Mapping[str, StoredFile], folder: Path) -> None:
        """Bring files of a version into a folder, under their names; what is there already stays.

        Raises:
            StoreError: one is missing or damaged.
        """

        def bring(item: tuple[str, StoredFile]) -> None:
            name, file = item
            path = folder / name
            if path.is_file() and path.stat().st_size == file.size and sha256_file(path) == file.sha256:
                return
            self._store.get_file(self._file_key(file), path)
            if (found := sha256_file(path)) != file.sha256:
                path.unlink()
                raise StoreError(
                    f"{self._store.uri(self._file_key(file))} is damaged: its SHA-256 is {found}",
                    fix=f"gukbap data show --verify tells what else is; base the next run on a version "
                    f"without {name}: --set data.base=VERSION",
                )

        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            for _ in pool.map(bring, files.items()):
                continue

    def publish(self, folder: Path, manifest: Manifest) -> None:
        """Store a version whose files lie in a folder; what the store has already is not sent.

        Where there is a version of this id, it stays as it is: rows and seeds are the same.
        """
        if self._store.exists(self._manifest_key(manifest.id)):
            return

        def send(item: tuple[str, StoredFile]) -> None:
            name, file = item
            if self._store.sha256(self._file_key(file)) != file.sha256:
                self._store.put_file(folder / name, self._file_key(file))

        with ThreadPoolExecutor(FILES_AT_ONCE) as pool:
            for _ in pool.map(send, manifest.files.items()):
                continue
        self._store.put_new(self._manifest_key(manifest.id), _bytes(manifest))

    def problems(self, version: str) -> Iterator[str]:
        """What is wrong with a version, a sentence each; every byte is read back and hashed."""
        manifest = self.manifest(version)
        if manifest.id != version:
            yield f"its rows and seeds are those of {manifest.id}"
        for name, file in sorted(manifest.files.items()):
            key = self._file_key(file)
            if not self._store.exists(key):
                yield f"{name} is missing"
            elif (found := self._store.actual_sha256(key)) != file.sha256:
                yield f"{name} is damaged: its SHA-256 is {found}, not {file.sha256}"

    def _numbers(self) -> list[int]:
        found = (_ENTRY.search(key) for key in self._store.list(f"{self.name}/log/"))
        return sorted(int(match[1]) for match in found if match)

    def _entry(self, number: int) -> LogEntry:
        return self._read(self._entry_key(number), LogEntry)

    def _read(self, key: str, kind: type[Document]) -> Document:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "document.json"
            self._store.get_file(key, path)
            try:
                return kind.model_validate(read_json(path))
            except (ValidationError, InputError) as error:
                why = error.problem if isinstance(error, InputError) else error.errors()[0]["msg"]
                raise StoreError(
                    f"{self._store.uri(key)} is no {kind.__name__} of a data set version ({why})",
                    expected="what gukbap wrote there, of this format",
                    fix="restore the object, or give another data.name",
                ) from error

    def _entry_key(self, number: int) -> str:
        return f"{self.name}/log/{number:06d}.json"

    def _manifest_key(self, version: str) -> str:
        return f"{self.name}/versions/{version}.json"

    def _file_key(self, file: StoredFile) -> str:
        return f"{self.name}/files/{file.sha256}"


def _bytes(record: BaseModel) -> bytes:
    values: dict[str, Any] = record.model_dump(mode="json")
    return f"{canonical_json(values)}\n".encode()
