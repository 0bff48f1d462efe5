"""Objects out of an S3 bucket: memory stays flat, and a killed download goes on where it was."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from gukbap.errors import StoreError
from gukbap.files import reporting_full_disk

_CHUNK_BYTES = 1 << 20


def download(
    open_from: Callable[[int], Any], target: Path, etag: str, size: int, sha256: str | None, what: str
) -> None:
    """Fetch an object into `target`, whole or not at all.

    What came of it so far stands beside the target under a name of the object's ETag, so that another
    object is never continued. It is hashed as it is read and becomes the target only where size and
    SHA-256 are those that the store has recorded.

    Args:
        open_from: gives the server's response from a byte on.
        target: where to.
        etag: of the object.
        size: in bytes.
        sha256: recorded with the object; None where it was stored by others.
        what: the object's URI, for messages.

    Raises:
        StoreError: the object is damaged.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    # `object_keys.is_temporary` knows such names.
    partial = target.with_name(f".{target.name}.{hashlib.sha256(etag.encode()).hexdigest()[:16]}.tmp")
    with reporting_full_disk(target), _opened_alone(partial) as file:
        digest = hashlib.sha256()
        have = _hash_what_is_there(file, digest, size)
        if have < size:
            _append(open_from(have), file, digest)
        file.flush()
        os.fsync(file.fileno())
        got, found = file.tell(), digest.hexdigest()
        if got != size or (sha256 is not None and sha256 != found):
            partial.unlink(missing_ok=True)
            raise StoreError(
                f"{what} is damaged: {got} bytes with the SHA-256 {found}",
                expected=f"{size} bytes" + (f" with {sha256}" if sha256 else ""),
                fix="fetch it again; where that fails, too, store it again",
            )
        partial.chmod(0o644)
        partial.replace(target)


@contextmanager
def _opened_alone(partial: Path) -> Iterator[IO[bytes]]:
    """The file of what came so far, held by this process alone."""
    while True:
        with partial.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                same = os.path.samestat(os.fstat(file.fileno()), partial.stat())
            except FileNotFoundError:
                same = False
            # Whoever held it before may have given it the target's name: then this is no longer the place.
            if same:
                yield file
                return


def _hash_what_is_there(file: IO[bytes], digest: Any, size: int) -> int:
    if file.seek(0, os.SEEK_END) > size:
        file.truncate(0)
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
    return file.tell()


def _append(response: Any, file: IO[bytes], digest: Any) -> None:
    try:
        for chunk in response.stream(_CHUNK_BYTES):
            file.write(chunk)
            digest.update(chunk)
    finally:
        file.flush()
        response.close()
        response.release_conn()


def range_headers(start: int, etag: str) -> Mapping[str, str]:
    """Ask for an object from a byte on, and for no other object in its place (RFC 9110, 13.1.1, 14.2)."""
    headers = {"If-Match": f'"{etag}"'}
    return {**headers, "Range": f"bytes={start}-"} if start else headers
