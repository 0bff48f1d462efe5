"""Append-only journals of keyed values: what stands in one has happened, whatever kills the process."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Any, Self

from gukbap.errors import InputError
from gukbap.files import canonical_json, reporting_full_disk

#: read at once of a journal's line
_LINE_BYTES = 1 << 13


class Journal:
    """An append-only file of keyed JSON values: what stands in it has happened.

    Each `record` call returns only when the value is on the disk. A torn last line, as a kill in
    the middle of a write leaves it, is cut off when the journal is opened; a malformed line before
    the end is an error, since it means that something else wrote there. Threads may share a journal.
    Values stay on the disk, and only their places in memory, 32 to 64 bytes each.

    Args:
        path: the file; its folder is made.
        shared: several processes may have it open at once. Each sees what stood there when it opened
            the journal and what it writes itself.
    """

    def __init__(self, path: Path, *, shared: bool = False) -> None:
        self.path = path
        self._shared = shared
        self._alone = Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._reader = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._reader)
        with self._among_processes():
            self._places = self._load()

    @contextmanager
    def _among_processes(self) -> Iterator[None]:
        """Hold the file's lock where others write, too, and cut off what one that was killed left torn."""
        if not self._shared:
            yield
            return
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            size = self._size()
            if size and os.pread(self._reader, 1, size - 1) != b"\n":
                os.truncate(self.path, self.path.read_bytes().rfind(b"\n") + 1)
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def _size(self) -> int:
        return os.fstat(self._reader).st_size

    def _load(self) -> _Places:
        places = _Places(self._key_at)
        start = 0
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    os.truncate(self.path, start)  # torn by a kill
                    break
                try:
                    entry = json.loads(line)
                    entry["value"]
                    places.put(entry["key"], start)
                except (ValueError, KeyError, TypeError) as error:
                    raise InputError(
                        f"{self.path}, line {number}: not a journal entry",
                        fix="another program wrote into this journal; restore it, or move it away to start "
                        "anew",
                    ) from error
                start += len(line)
        return places

    def _entry_at(self, start: int) -> dict[str, Any]:
        line = b""
        while not line.endswith(b"\n"):
            piece = os.pread(self._reader, _LINE_BYTES, start + len(line))
            end = piece.find(b"\n")
            line += piece if end < 0 else piece[: end + 1]
            if not piece:
                raise InputError(f"{self.path} became shorter while it was open", fix="restore it")
        entry: dict[str, Any] = json.loads(line)
        return entry

    def _key_at(self, start: int) -> str:
        return str(self._entry_at(start)["key"])

    def __contains__(self, key: str) -> bool:
        return self._places.get(key) is not None

    def __getitem__(self, key: str) -> Any:
        start = self._places.get(key)
        if start is None:
            raise KeyError(key)
        return self._entry_at(start)["value"]

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Any | None:
        """The value recorded under `key`, or None."""
        start = self._places.get(key)
        return None if start is None else self._entry_at(start)["value"]

    def values(self) -> Iterator[Any]:
        """All recorded values, read one after the other."""
        return (self._entry_at(start)["value"] for start in self._places.starts())

    def record(self, key: str, value: Any) -> None:
        """Append one entry and wait until it is durable."""
        self.record_all({key: value})

    def record_all(self, entries: Mapping[str, Any]) -> None:
        """Append entries and wait until they are durable, which takes no longer than for one."""
        lines = {
            key: (canonical_json({"key": key, "value": value}) + "\n").encode("utf-8")
            for key, value in entries.items()
        }
        with self._alone, reporting_full_disk(self.path), self._among_processes():
            start = self._size()
            try:
                write_all(self._file, b"".join(lines.values()))
                os.fsync(self._file.fileno())
            except OSError:
                # Half a line in the middle of the file would be taken for another program's.
                os.truncate(self.path, start)
                raise
            for key, line in lines.items():
                self._places.put(key, start)
                start += len(line)

    def close(self) -> None:
        """Close the file; recorded values stay readable."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Places:
    """Key → where its line begins: open addressing in flat arrays, since a journal may hold millions.

    Args:
        key_at: reads the key of the line that begins there.
    """

    def __init__(self, key_at: Callable[[int], str]) -> None:
        self._key_at = key_at
        self._count = 0
        self._hashes, self._starts = self._empty(1 << 10)

    @staticmethod
    def _empty(slots: int) -> tuple[array[int], array[int]]:
        return array("Q", bytes(8 * slots)), array("Q", bytes(8 * slots))

    def __len__(self) -> int:
        return self._count

    def get(self, key: str) -> int | None:
        """Where the line begins; None where there is none."""
        slot = self._slot(key, _hash(key))
        return self._starts[slot] - 1 if self._starts[slot] else None

    def put(self, key: str, start: int) -> None:
        """Note a line; one of the same key is forgotten."""
        if 2 * (self._count + 1) > len(self._starts):
            self._grow()
        hashed = _hash(key)
        slot = self._slot(key, hashed)
        self._count += not self._starts[slot]
        self._hashes[slot], self._starts[slot] = hashed, start + 1

    def starts(self) -> list[int]:
        """The beginnings of all lines, in the file's order."""
        return sorted(start - 1 for start in self._starts if start)

    def _slot(self, key: str, hashed: int) -> int:
        """The key's slot, or the free one where it belongs."""
        last = len(self._starts) - 1
        slot = hashed & last
        while start := self._starts[slot]:
            # Equal hashes of different keys are looked up on the disk.
            if self._hashes[slot] == hashed and self._key_at(start - 1) == key:
                break
            slot = (slot + 1) & last
        return slot

    def _grow(self) -> None:
        old = zip(self._hashes, self._starts, strict=True)
        self._hashes, self._starts = self._empty(2 * len(self._starts))
        last = len(self._starts) - 1
        for hashed, start in old:
            if start:
                slot = hashed & last
                while self._starts[slot]:
                    slot = (slot + 1) & last
                self._hashes[slot], self._starts[slot] = hashed, start


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode("utf-8"), digest_size=8).digest(), "little")


def write_all(file: IO[bytes], content: bytes) -> None:
    """Write all of it into a file without a buffer, whose `write` may take less."""
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
