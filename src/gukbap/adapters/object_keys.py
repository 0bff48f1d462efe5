"""Keys of stored objects: relative, parts joined by '/', none of them empty or climbing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from gukbap.errors import StoreError


@dataclass(frozen=True)
class Entry:
    """An object as a listing shows it."""

    key: str
    #: bytes
    size: int
    modified: datetime


def checked_key(key: str) -> str:
    """The key as it is, if a bucket and a folder can both hold it.

    Raises:
        StoreError: it is empty, absolute, climbs with '..' or carries a backslash or control character.
    """
    parts = key.split("/")
    if any(part in ("", ".", "..") for part in parts) or "\\" in key or not key.isprintable():
        raise StoreError(
            f"object key {key!r} cannot be used",
            expected="a relative key, parts joined by '/', none of them empty, '.' or '..'",
        )
    return key


def is_temporary(path: PurePath) -> bool:
    """Whether a relative path leads to or through what an atomic write has not finished.

    `files.atomic_file` and `files.atomic_folder` work under such names; a kill leaves them behind.
    """
    return any(part.startswith(".") and part.endswith(".tmp") for part in path.parts)
