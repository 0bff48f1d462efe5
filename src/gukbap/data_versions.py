"""Records of data set versions: what a version holds, and the log that says which one is the newest.

    NAME/versions/ID.json     the manifest of a version: its files by hash, and where it comes from
    NAME/files/SHA256         the files of all versions; what two versions share lies there once
    NAME/log/000001.json      the versions in their order, each entry written once

A version's files are stored before its manifest, and the manifest before the log names it: a publication
that is killed leaves nothing that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import Record, Teacher

#: files of a version
ROWS, SEEDS, INDEX = "rows.jsonl", "seeds.jsonl", "index"
ID_DIGITS = 16

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
VersionId = Annotated[str, Field(pattern=rf"^[0-9a-f]{{{ID_DIGITS}}}$")]


def version_id(rows_sha256: str, seeds_sha256: str) -> str:
    """What a version is called: 16 hexadecimal digits of a hash over its rows and its seeds.

    The seeds count, since rows may be the same after seeds of which none gave a row.
    """
    return sha256_text(canonical_json({ROWS: rows_sha256, SEEDS: seeds_sha256}))[:ID_DIGITS]


def _inside(name: str) -> str:
    # A bucket's content is not ours to trust: a name that climbs would be written outside of the folder.
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name:
        raise ValueError(f"{name!r} leaves the folder")
    return name


class StoredFile(Record):
    """A file of a version."""

    sha256: Sha256
    #: bytes
    size: int = Field(ge=0)


class Source(Record):
    """Who wrote so many rows, and by what right others may be trained from them."""

    teacher: Teacher
    #: the server that gave the answers; None: the run's own machine
    host: str | None
    #: version of this package
    version: str
    rows: int = Field(ge=1)


class Manifest(Record):
    """What a version holds, and where it comes from. It holds no time: the log does."""

    #: raised whenever a manifest of before cannot be read any more
    format: Literal[1] = 1
    #: the version that it grew out of
    parent: VersionId | None
    #: a version of the same parent that it takes up besides, where two runs published at once
    joined: VersionId | None = None
    rows: int = Field(ge=1)
    #: rows that the parent has not
    new_rows: int = Field(ge=0)
    #: rows of the parent that are gone
    gone_rows: int = Field(ge=0)
    #: seeds that were evolved so far, also those that gave no row
    seeds: int = Field(ge=0)
    new_seeds: int = Field(ge=0)
    #: category → rows
    categories: dict[str, int]
    #: operation ("seed" for none) → rows
    operations: dict[str, int]
    sources: list[Source]
    #: of the settings of near-dedup, by which the index was made
    settings_sha256: Sha256
    #: of the statements on decontamination that cover the rows
    statements: list[Sha256]
    gukbap_version: str
    files: dict[Annotated[str, AfterValidator(_inside)], StoredFile]

    @property
    def id(self) -> str:
        """What the version is called."""
        return version_id(self.files[ROWS].sha256, self.files[SEEDS].sha256)

    def of_index(self) -> Mapping[str, StoredFile]:
        """The files of the near-dedup index."""
        return {name: file for name, file in self.files.items() if name.startswith(f"{INDEX}/")}


class LogEntry(Record):
    """A version in the order of versions."""

    number: int = Field(ge=1)
    version: VersionId
    #: the run that published it
    run: str
    #: ISO 8601, UTC, by the clock of whoever published it
    at: str
