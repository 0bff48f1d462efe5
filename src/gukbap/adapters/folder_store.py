"""An object store in a folder: the same keys as in a bucket, without a server."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from gukbap.adapters.object_keys import Entry, checked_key, is_temporary
from gukbap.errors import InputError, StoreError
from gukbap.files import atomic_file, create_file, sha256_file


class FolderStore:
    """Objects as files under one folder. Every copy is atomic: a reader sees the old file or the new one."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def __repr__(self) -> str:
        return f"FolderStore({self.root.as_uri()})"

    def uri(self, key: str) -> str:
        """The URI of a key, whether or not there is an object."""
        return self._path(key).as_uri()

    def put_file(self, source: Path, key: str, sent: Callable[[int], None] = lambda _: None) -> str:
        """Copy a file in whole or not at all; returns its URI. `sent` is told the bytes.

        Raises:
            InputError: there is no file at `source`.
            StoreError: the folder refuses the copy.
        """
        target = self._path(key)
        if not source.is_file():
            raise InputError(f"there is no file {source} to store", fix="check the path")
        self._copy(source, target, f"store {key}")
        sent(target.stat().st_size)
        return target.as_uri()

    def put_new(self, key: str, content: bytes) -> bool:
        """Store a small object that is not there yet; returns whether the key holds this content now.

        Raises:
            StoreError: the folder refuses it, or its file system knows no hard links.
        """
        target = self._path(key)
        try:
            return create_file(target, content) or target.read_bytes() == content
        except OSError as error:
            raise self._refusal(f"store {key}", error) from error

    def get_file(self, key: str, target: Path) -> None:
        """Copy a file out whole or not at all; StoreError where there is none."""
        source = self._path(key)
        if not source.is_file():
            raise StoreError(f"there is no object {source.as_uri()}", fix=f"list the folder {self.root}")
        self._copy(source, target, f"fetch {key}")

    def exists(self, key: str) -> bool:
        """Whether there is a file under exactly this key."""
        return self._path(key).is_file()

    def list(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted; what an unfinished copy left is not an object."""
        found = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
        return sorted(
            path.as_posix() for path in found if path.as_posix().startswith(prefix) and not is_temporary(path)
        )

    def delete(self, key: str) -> None:
        """Remove an object, and the folders that it leaves empty; nothing happens where there is none."""
        path = self._path(key)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self.root or any(folder.iterdir() if folder.is_dir() else [folder]):
                break
            folder.rmdir()

    def entries(self, prefix: str) -> Iterator[Entry]:
        """Every object whose key begins with `prefix`, with its size and the time it was stored."""
        for key in self.list(prefix):
            found = self._path(key).stat()
            yield Entry(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def actual_sha256(self, key: str) -> str:
        """The SHA-256 of an object's bytes; StoreError where there is none."""
        found = self.sha256(key)
        if found is None:
            raise StoreError(f"there is no object {self.uri(key)}", fix=f"list the folder {self.root}")
        return found

    def end_unfinished(self, before: datetime) -> int:
        """A folder has no unfinished uploads: copies are atomic."""
        return 0

    def sha256(self, key: str) -> str | None:
        """The SHA-256 of an object's bytes (64 hexadecimal digits); None where there is no object."""
        path = self._path(key)
        return sha256_file(path) if path.is_file() else None

    def _path(self, key: str) -> Path:
        return self.root / checked_key(key)

    def _copy(self, source: Path, target: Path, deed: str) -> None:
        try:
            with source.open("rb") as reader, atomic_file(target) as writer:
                shutil.copyfileobj(reader, writer, 1 << 20)
        except OSError as error:
            raise self._refusal(deed, error) from error

    def _refusal(self, deed: str, error: OSError) -> StoreError:
        return StoreError(
            f"cannot {deed} in the folder {self.root}: {error.strerror or error}",
            expected="a folder that this user may read and write",
        )
