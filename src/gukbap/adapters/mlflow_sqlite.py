"""MLflow's store in a SQLite file that several processes of one machine share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gukbap.errors import StoreError


def sqlite_folder(uri: str) -> Path | None:
    """The folder of a tracking URI's SQLite file; None for another kind of URI."""
    return Path(uri.removeprefix("sqlite:///")).absolute().parent if uri.startswith("sqlite:///") else None


@contextmanager
def alone(uri: str) -> Iterator[None]:
    """Keep other processes from setting up a SQLite file, or looking for a run in it, meanwhile."""
    folder = sqlite_folder(uri)
    if folder is None:
        yield
        return
    import fcntl

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f".{uri.rsplit('/', 1)[1]}.lock").open("ab")
    except OSError as error:
        raise StoreError(
            f"MLflow's SQLite file cannot be kept in {folder}: {error.strerror or error}",
            expected="a folder that this user may read and write",
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
