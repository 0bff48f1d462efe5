"""Rows out of a JSON Lines file, some lines at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from gukbap.errors import InputError
from gukbap.files import canonical_json, parse_record
from gukbap.schemas import Row


@dataclass(frozen=True)
class LineRange:
    """Whole lines of a file, by bytes."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """A name that sorts by place."""
        return f"{self.start:015d}-{self.end:015d}"


def line_ranges(path: Path, size: int) -> list[LineRange]:
    """Cut a file at line ends into ranges of about `size` bytes.

    Raises:
        InputError: there is no such file.
    """
    if not path.is_file():
        raise InputError(f"there is no file {path}", fix="check the path")
    ranges, start, total = [], 0, path.stat().st_size
    with path.open("rb") as file:
        while start < total:
            file.seek(min(start + size, total))
            file.readline()
            end = min(file.tell(), total)
            ranges.append(LineRange(start, end))
            start = end
    return ranges


def read_range(path: Path, lines: LineRange) -> Iterator[tuple[Row, str]]:
    """The rows of some lines, each with its canonical JSON; blank lines are passed over.

    Half a surrogate pair becomes U+FFFD: such a row is kept, and can be written and trained on.

    Raises:
        InputError: a line is malformed; as files.read_jsonl says it.
    """
    with path.open("rb") as file:
        file.seek(lines.start)
        content = file.read(lines.end - lines.start).removeprefix(b"\xef\xbb\xbf")
    for number, line in enumerate(content.split(b"\n")):
        if not line.strip():
            continue
        try:
            row = Row.model_validate_json(line)
        except ValidationError:
            row = _mended(path, lines, number, line)
        yield row, canonical_json(row.model_dump(mode="json"))


def _mended(path: Path, lines: LineRange, number: int, line: bytes) -> Row:
    with path.open("rb") as file:
        before = file.read(lines.start).count(b"\n")
    place = before + number + 1
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {place}: not UTF-8", expected="UTF-8 text", fix="convert the file to UTF-8"
        ) from error
    return parse_record(path, place, text, Row, mend=_without_surrogates)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {key: _without_surrogates(item) for key, item in value.items()}
    return value
