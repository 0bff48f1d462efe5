"""Seed instructions out of files: JSON Lines, CSV with a header, or text with one instruction a line."""

from __future__ import annotations

import csv
import hashlib
import json
import unicodedata
import warnings
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from pydantic import ConfigDict, Field, ValidationError

from gukbap.errors import GukbapWarning, InputError
from gukbap.files import nfc, read_text, sha256_text
from gukbap.schemas import FilledText, Record, Seed
from gukbap.spool import Chosen, Spool
from gukbap.stages.training_input import refuse_evaluation

#: endings of seed files, and what their lines are
FORMATS = {
    ".jsonl": 'a JSON object a line: {"instruction": "…"}, and, if wanted, "id", "category" and "source"',
    ".csv": "a header with the column instruction, and, if wanted, id, category and source",
    ".txt": "one instruction a line",
}
#: so many wrong lines are named; the rest is counted
LINES_NAMED = 5
#: encodings of Korean text that are not UTF-8, the commonest first (CP949 holds EUC-KR)
_KOREAN_ENCODINGS = ("cp949", "johab", "utf-16")


#: a line's number and what reads it, with an error of its own where that cannot be done
_Numbered = tuple[int, Callable[[], Any]]


class _Line(Record):
    """A line of a seed file: only the instruction has to be there."""

    # Tables are exported with columns of their own, which say nothing here.
    model_config = ConfigDict(extra="ignore", frozen=True)

    instruction: FilledText
    id: str | None = Field(None, min_length=1)
    category: str | None = Field(None, min_length=1)
    source: str | None = Field(None, min_length=1)


def read_seed_file(path: Path, default_category: str) -> Sequence[Seed]:
    """The seeds of a file, in its order; what an instruction needs besides its text is added.

    A seed without an id is named after its text, so that its name, and every draw that depends on it,
    stays when lines are added or moved. An instruction that stands in the file twice (spaces, case and
    Unicode's compatibility forms aside) is used once, with a warning.

    Args:
        path: a file with one of the endings of FORMATS.
        default_category: the category of seeds that name none.

    Raises:
        InputError: the file is missing, empty, of an unknown ending or encoding, holds something of an
            evaluation, or has wrong lines (all are counted, the first are named).
    """
    reader = {".jsonl": _json_lines, ".csv": _table, ".txt": _text_lines}.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: seeds are not read from {path.suffix or 'files without an ending'}",
            expected="; ".join(f"{ending}: {content}" for ending, content in FORMATS.items()),
            fix="convert the file, and give it the ending of its format",
        )
    refuse_evaluation(path, Seed)
    try:
        # Lines of JSON and of text end at a line feed alone: U+2028 and friends may stand inside a string.
        with path.open(encoding="utf-8-sig", newline="" if reader is _table else "\n") as file:
            seeds, wrong = _read(reader(path, file), default_category)
    except (UnicodeDecodeError, OSError):
        _refuse_encoding(path)
        raise
    _refuse_wrong(path, wrong)
    if not seeds:
        raise InputError(f"{path} holds no seed", expected=f"at least one; {FORMATS[path.suffix.lower()]}")
    return without_repeated(path, seeds)


def text_digest(instruction: str) -> bytes:
    """16 bytes that are the same for texts that differ in spaces, case and compatibility forms alone."""
    text = " ".join(unicodedata.normalize("NFKC", instruction).casefold().split())
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _read(lines: Iterator[_Numbered], default_category: str) -> tuple[Spool[Seed], list[str]]:
    """The seeds, and what is wrong with other lines."""
    seeds: Spool[Seed] = Spool()
    wrong = []
    for number, value in lines:
        try:
            line = _Line.model_validate(value())
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"]) or "the line"
            wrong.append(f"line {number}: {field}: {first['msg']}")
        except json.JSONDecodeError as error:
            wrong.append(f"line {number}: not JSON ({error.msg} at column {error.colno})")
        except _CellsError as error:
            wrong.append(f"line {number}: {error}")
        else:
            seeds.append(_seed(line, default_category))
    return seeds, wrong


def _refuse_encoding(path: Path) -> None:
    """Say why a file cannot be read as UTF-8 text."""
    try:
        read_text(path)
    except InputError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
        encoding = _korean_encoding(path.read_bytes())
        if encoding is None:
            raise
        raise InputError(
            f"{path} is not UTF-8; it reads as Korean in {encoding.upper()}",
            expected="UTF-8 text",
            fix=f"iconv -f {encoding.upper()} -t UTF-8 {path.name} > {path.stem}-utf8{path.suffix}",
        ) from error


def _korean_encoding(content: bytes) -> str | None:
    for encoding in _KOREAN_ENCODINGS:
        try:
            text = content.decode(encoding)
        except UnicodeError:
            continue
        letters = [character for character in text if character.isalpha()]
        hangul = sum("가" <= character <= "힣" for character in letters)
        if hangul * 2 > len(letters):
            return encoding
    return None


def _json_lines(path: Path, file: TextIO) -> Iterator[_Numbered]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, partial(json.loads, line)


def _text_lines(path: Path, file: TextIO) -> Iterator[_Numbered]:
    for number, line in enumerate(file, start=1):
        if line.strip():
            yield number, partial(dict, instruction=line.strip())


def _table(path: Path, file: TextIO) -> Iterator[_Numbered]:
    rows = csv.DictReader(file, strict=True)
    try:
        columns = [name.strip() for name in rows.fieldnames or []]
        if "instruction" not in columns:
            raise InputError(
                f"{path}: the header has the columns {', '.join(columns) or 'of nothing'}",
                expected=FORMATS[".csv"],
                fix="name the instructions' column instruction in the first line",
            )
        rows.fieldnames = columns
        for row in rows:
            yield rows.line_num, partial(_cells, row)
    except csv.Error as error:
        raise InputError(
            f"{path}, after line {rows.line_num}: not CSV ({error})",
            expected="cells with commas, quotation marks or line breaks in them stand in quotation marks",
            fix="mend the line, or export the table again",
        ) from error


class _CellsError(Exception):
    """A row of a table that does not fit its header."""


def _cells(row: dict[str | None, Any]) -> dict[str, str]:
    # The csv module puts cells beyond the header under None.
    if None in row:
        raise _CellsError(f"{len(row[None])} cells more than the header has; put texts with commas in quotes")
    return {name: cell for name, cell in row.items() if name and cell and cell.strip()}


def _seed(line: _Line, default_category: str) -> Seed:
    name = line.id or f"seed-{sha256_text(nfc(line.instruction))[:12]}"
    return Seed(
        id=name,
        category=line.category or default_category,
        instruction=line.instruction,
        source=line.source,
    )


def _refuse_wrong(path: Path, wrong: list[str]) -> None:
    if not wrong:
        return
    more = len(wrong) - LINES_NAMED
    raise InputError(
        f"{path}, {'; '.join(wrong[:LINES_NAMED])}{f'; and {more} more lines' if more > 0 else ''}",
        expected=FORMATS[path.suffix.lower()],
        fix="mend or remove these lines",
    )


def without_repeated(place: Path, seeds: Sequence[Seed]) -> Sequence[Seed]:
    """The seeds without those whose instruction stands there before, of which a warning tells."""
    # Digests of 16 bytes: the texts themselves may be more than memory should hold.
    seen: set[bytes] = set()
    first = array("Q")
    repeated = []
    for index, seed in enumerate(seeds):
        digest = text_digest(seed.instruction)
        if digest in seen:
            repeated.append(index)
        else:
            seen.add(digest)
            first.append(index)
    if repeated:
        named = ", ".join(repr(seeds[index].instruction[:30]) for index in repeated[:LINES_NAMED])
        warnings.warn(
            f"{place}: {len(repeated)} of the instructions stand there before and are left out: {named}",
            GukbapWarning,
            stacklevel=3,
        )
    return Chosen(seeds, first)
