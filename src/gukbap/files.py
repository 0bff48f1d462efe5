"""Files that survive a crash: atomic writes, JSON Lines with line numbers, append-only journals."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from gukbap.errors import InputError, StorageFullError

Record = TypeVar("Record", bound=BaseModel)


@contextmanager
def reporting_full_disk(path: Path) -> Iterator[None]:
    """Turn 'no space left' into an error that names the place and the next step."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFullError(
                f"no space left while writing {path}",
                fix="free some space and run again with --resume; everything written before is whole",
            ) from error
        raise


@contextmanager
def atomic_file(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Yield a temporary file that replaces `path` only when the block ends without an error.

    Nobody but the owner can read it before it has its `mode`.
    """
    with _placing(path, mode, lambda temporary: temporary.replace(path)) as file:
        yield file


def create_file(path: Path, content: bytes) -> bool:
    """Write a file that is not there yet, whole or not at all.

    Returns:
        False, and nothing has changed, where it is there. Of several processes one is told True.
    """
    try:
        # Not O_EXCL on the file itself: a kill between its creation and its last byte would leave half.
        with _placing(path, 0o644, path.hardlink_to) as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


@contextmanager
def _placing(path: Path, mode: int, place: Callable[[Path], object]) -> Iterator[IO[bytes]]:
    """Yield a temporary file beside `path`, which is brought there when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with reporting_full_disk(path):
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(mode)
            place(temporary)
        finally:
            temporary.unlink(missing_ok=True)
        _sync(path.parent)


def join_files(target: Path, parts: Iterable[Path]) -> None:
    """Write files one after the other into one, atomically."""
    with atomic_file(target) as file:
        for part in parts:
            with part.open("rb") as reader:
                shutil.copyfileobj(reader, file, 1 << 20)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes `path` only when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with reporting_full_disk(path):
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
        try:
            yield temporary
            for inner in sorted(temporary.rglob("*")):
                if inner.is_file():
                    inner.chmod(0o644)
                    _sync(inner)
            temporary.chmod(0o755)
            _replace_folder(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync(path.parent)


def _replace_folder(new: Path, path: Path) -> None:
    # A folder can take an empty folder's name in one step; a filled one has to go aside first.
    if not path.is_dir() or not any(path.iterdir()):
        new.replace(path)
        return
    old = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".old"))
    path.replace(old)
    new.replace(path)
    shutil.rmtree(old)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON document atomically: sorted keys, readable Korean, newline at the end."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON document; InputError names the file and the place of a mistake."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {error.lineno}: not JSON ({error.msg})", expected="one JSON document"
        ) from error


def read_text(path: Path) -> str:
    """Read UTF-8 text (a byte order mark is allowed); InputError where that cannot be done."""
    with _opened(path) as file:
        return _decoded(path, file.read(), 0)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", fix="check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder", expected="a file") from error
    with file:
        yield file


def _decoded(path: Path, content: bytes, start: int) -> str:
    """A piece of a file as text; `start` is its place, in bytes."""
    try:
        return content.decode("utf-8" if start else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: byte {start + error.start} is not UTF-8",
            expected="UTF-8 text",
            fix="convert the file to UTF-8",
        ) from error


# json.dumps() makes a new encoder at each call.
_CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces; equal values give equal text."""
    return _CANONICAL.encode(value)


def sha256_text(text: str) -> str:
    """The SHA-256 of a text's UTF-8 bytes, as 64 hexadecimal digits."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def sha256_file(path: Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def nfc(text: str) -> str:
    """Unicode normal form C, in which every Korean text of this project is kept."""
    return unicodedata.normalize("NFC", text)


def write_jsonl(path: Path, records: Iterable[BaseModel]) -> int:
    """Write records as JSON Lines atomically; returns how many there were."""
    count = 0
    with atomic_file(path) as file:
        for record in records:
            file.write((canonical_json(record.model_dump(mode="json")) + "\n").encode("utf-8"))
            count += 1
    return count


def read_jsonl(path: Path, record_type: type[Record], *, allow_empty: bool = False) -> list[Record]:
    """All records of a file of JSON Lines; errors as `each_jsonl` has them."""
    return list(each_jsonl(path, record_type, allow_empty=allow_empty))


def each_jsonl(path: Path, record_type: type[Record], *, allow_empty: bool = False) -> Iterator[Record]:
    """Read JSON Lines, a record at a time.

    Raises:
        InputError: the file is missing or empty, or a line is malformed (the line's number, the
            field and what was expected are named).
    """
    empty, start = True, 0
    with _opened(path) as file:
        for number, content in enumerate(file, start=1):
            line = _decoded(path, content, start)
            start += len(content)
            if line.strip():
                empty = False
                yield parse_record(path, number, line, record_type)
    if empty and not allow_empty:
        raise InputError(f"{path} holds no record", expected=f"at least one {record_type.__name__}")


def parse_record(
    path: Path,
    number: int,
    line: str,
    record_type: type[Record],
    *,
    mend: Callable[[Any], Any] = lambda value: value,
) -> Record:
    """Make a record of a file's line; `mend` changes its JSON value before.

    Raises:
        InputError: the line is malformed (its number, the field and what was expected are named).
    """
    try:
        return record_type.model_validate(mend(json.loads(line)))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not JSON ({error.msg} at column {error.colno})",
            expected=f"one {record_type.__name__} as a JSON object on each line",
            fix="mend or remove the line",
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the line"
        raise InputError(
            f"{path}, line {number}: {field}: {first['msg']}",
            expected=f"a {record_type.__name__} with the fields {', '.join(record_type.model_fields)}",
            fix="mend or remove the line",
        ) from error


def folder_fingerprint(folder: Path, *, without: Collection[str] = ()) -> str:
    """A SHA-256 over the names and contents of all files in a folder, except those named in `without`."""
    digest: Mapping[str, str] = {
        str(path.relative_to(folder)): sha256_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in without
    }
    return sha256_text(canonical_json(digest))
