"""What earlier runs kept, in a folder, so that new rows are compared with it and not with all old rows anew.

    index.json            format, settings, and the segments with sizes and checksums of their files
    segment-00000/ …      the rows that a run kept, by rank: ids, compatible texts, digests, gists, sketches,
                          and the buckets of every band, sorted by key

Rows of an earlier segment come before those of a later one. A segment is written as a whole before
index.json names it, so a kill leaves the index as it was. Looking up n rows among m takes n·log m steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np

from gukbap.config import DedupSettings
from gukbap.errors import InputError
from gukbap.files import atomic_folder, read_json, sha256_file, write_json
from gukbap.stages.dedup.arrays import Indices, Words32, Words64
from gukbap.stages.dedup.chunks import DIGESTS, Digest, FieldName
from gukbap.stages.dedup.columns import StoredTexts, read_array, write_array, write_texts
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.signatures import FORMAT

_META = "index.json"
#: what may differ between the runs that share an index
_FREE = {"workers", "keep"}
_ROW_BITS, _ROW = np.uint64(32), np.uint64(0xFFFFFFFF)


@dataclass(frozen=True)
class Segment:
    """The rows that one run kept, by rank."""

    folder: Path
    rows: int
    #: which rows the run was given (Corpus.fingerprint)
    source: str

    @cached_property
    def ids(self) -> StoredTexts:
        """The rows' ids."""
        return StoredTexts(self.folder, "ids")

    def texts(self, field: FieldName) -> StoredTexts:
        """A field's compatible texts."""
        return StoredTexts(self.folder, f"{field}.texts")

    def array(self, field: FieldName, name: str) -> np.ndarray:
        """One of a field's arrays, mapped."""
        return read_array(self.folder, f"{field}.{name}")


class Index:
    """The kept rows of earlier runs, numbered from 0 on, the earliest run first and each by rank."""

    def __init__(self, segments: Sequence[Segment], settings: dict[str, Any]) -> None:
        self.segments = list(segments)
        self._settings = settings
        self._ends = np.cumsum([0, *(segment.rows for segment in segments)], dtype=np.int64)

    @classmethod
    def empty(cls, settings: DedupSettings) -> Self:
        """An index of no rows."""
        return cls([], _compared(settings))

    @classmethod
    def open(cls, folder: Path, settings: DedupSettings) -> Self:
        """Open an index; one of no rows where there is none yet.

        Raises:
            InputError: another format, other settings, or a file that is missing or not whole.
        """
        if not (folder / _META).is_file():
            return cls.empty(settings)
        meta = read_json(folder / _META)
        if meta.get("format") != FORMAT:
            raise InputError(
                f"{folder}: an index of format {meta.get('format')!r}",
                expected=f"format {FORMAT}",
                fix="remove the index; the next run makes it anew from the rows it is given",
            )
        if meta["settings"] != _compared(settings):
            other = sorted(k for k, v in _compared(settings).items() if meta["settings"].get(k) != v)
            raise InputError(
                f"{folder}: an index made with other settings: {', '.join(other)}",
                expected="the settings with which it was made",
                fix="give these settings, or another index folder",
            )
        segments = [
            Segment(folder / entry["name"], entry["rows"], entry["source"]) for entry in meta["segments"]
        ]
        for entry in meta["segments"]:
            _check_sizes(folder / entry["name"], entry["files"])
        return cls(segments, meta["settings"])

    def before(self, source: str) -> Index:
        """The index as it was before a run of these rows, if that was the last one.

        A run that is tried again must not find its own rows there.
        """
        again = self.segments and self.segments[-1].source == source
        return Index(self.segments[:-1], self._settings) if again else self

    def __len__(self) -> int:
        return int(self._ends[-1])

    def identifier(self, row: int) -> str:
        """A row's id."""
        segment, place = self._place(row)
        return self.segments[segment].ids[place]

    def text(self, field: FieldName, row: int) -> str:
        """A field's compatible text."""
        segment, place = self._place(row)
        return self._columns(field)[segment][place]

    def _columns(self, field: FieldName) -> list[StoredTexts]:
        if field not in self._texts:
            self._texts[field] = [segment.texts(field) for segment in self.segments]
        return self._texts[field]

    @cached_property
    def _texts(self) -> dict[FieldName, list[StoredTexts]]:
        return {}

    def _place(self, row: int) -> tuple[int, int]:
        segment = int(np.searchsorted(self._ends, row, side="right")) - 1
        return segment, row - int(self._ends[segment])

    def sketches(self, field: FieldName, rows: Indices) -> Words64:
        """The rows' sketches."""
        found: Words64 | None = None
        for segment, begin in zip(self.segments, self._ends, strict=False):
            stored = segment.array(field, "sketches")
            if found is None:
                found = np.empty((len(rows), stored.shape[1]), dtype=np.uint64)
            inside = (rows >= begin) & (rows < begin + segment.rows)
            found[inside] = stored[rows[inside] - begin]
        return found if found is not None else np.zeros((0, 0), np.uint64)

    def sharing(self, field: FieldName, kind: Digest, digests: Words64) -> Indices:
        """Which row has each of some digests (n × 2); −1 where none has."""
        found = np.full(len(digests), -1, dtype=np.int64)
        for segment, begin in zip(reversed(self.segments), reversed(self._ends[:-1]), strict=True):
            firsts, rows = segment.array(field, f"{kind}.first"), segment.array(field, f"{kind}.rows")
            stored = segment.array(field, kind)
            if not len(firsts):
                continue
            # Other digests with the same first half would take 2^64 rows.
            places = np.minimum(np.searchsorted(firsts, digests[:, 0]), len(firsts) - 1)
            hit = (stored[rows[places]] == digests).all(axis=1)
            found[hit] = rows[places][hit] + begin
        return found

    def buckets(self, field: FieldName) -> IndexBuckets:
        """The buckets of a field."""
        return IndexBuckets(self, field)

    def add(self, folder: Path, corpus: Corpus, kept: Indices) -> None:
        """Add the kept rows of a corpus, given by rank, as a segment of the index in `folder`."""
        name = f"segment-{len(self.segments):05d}"
        with atomic_folder(folder / name) as new:
            write_texts(new, "ids", corpus.ids(kept.tolist()))
            for field in corpus.fields:
                _write_field(new, corpus, kept, field)
        known = read_json(folder / _META)["segments"] if self.segments else []
        entries = known[: len(self.segments)]
        files = {
            path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
            for path in sorted((folder / name).iterdir())
        }
        entries.append({"name": name, "rows": len(kept), "source": corpus.fingerprint(), "files": files})
        write_json(folder / _META, {"format": FORMAT, "settings": self._settings, "segments": entries})


@dataclass(frozen=True)
class IndexBuckets:
    """The buckets of one field of an index."""

    index: Index
    field: FieldName

    def members(self, band: int, keys: Words32, most: int) -> tuple[Indices, Indices]:
        """As collisions.EarlierBuckets has it."""
        counts = np.zeros(len(keys), dtype=np.int64)
        owners, rows = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        begin = 0
        for segment in self.index.segments:
            packed = segment.array(self.field, "buckets")[band]
            low = np.searchsorted(packed, keys.astype(np.uint64) << _ROW_BITS)
            high = np.searchsorted(packed, (keys.astype(np.uint64) << _ROW_BITS) | _ROW, side="right")
            taken = np.minimum(high - low, most - counts)
            within = np.arange(int(taken.sum())) - np.repeat(np.cumsum(taken) - taken, taken)
            rows.append((packed[np.repeat(low, taken) + within] & _ROW).astype(np.int64) + begin)
            owners.append(np.repeat(np.arange(len(keys)), taken))
            counts += taken
            begin += segment.rows
        order = np.argsort(np.concatenate(owners), kind="stable")
        return counts, np.concatenate(rows)[order]


def _compared(settings: DedupSettings) -> dict[str, Any]:
    """The settings on which it depends whether two rows are alike."""
    return {"seed": settings.seed, **settings.dedup.model_dump(mode="json", exclude=_FREE)}


def _check_sizes(folder: Path, files: dict[str, Any]) -> None:
    for name, known in files.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size != known["bytes"]:
            raise InputError(
                f"{path} is missing or not whole",
                expected=f"{known['bytes']} bytes",
                fix="restore the index, or remove it to make it anew",
            )


def verify(folder: Path) -> None:
    """Compare every file of an index with its checksum.

    Raises:
        InputError: names the first file that is not what was written.
    """
    for entry in read_json(folder / _META)["segments"]:
        for name, known in entry["files"].items():
            if sha256_file(folder / entry["name"] / name) != known["sha256"]:
                raise InputError(
                    f"{folder / entry['name'] / name} is not what was written",
                    expected=f"SHA-256 {known['sha256']}",
                    fix="restore the index, or remove it to make it anew",
                )


def _write_field(folder: Path, corpus: Corpus, kept: Indices, field: FieldName) -> None:
    counting = np.flatnonzero(corpus.counting(field)[kept])
    for kind in DIGESTS:
        digests = corpus.digests(field, kind)[kept]
        order = counting[np.argsort(digests[counting, 0], kind="stable")]
        write_array(folder, f"{field}.{kind}", digests)
        write_array(folder, f"{field}.{kind}.first", digests[order, 0])
        write_array(folder, f"{field}.{kind}.rows", order)
    write_array(folder, f"{field}.sketches", corpus.sketches(field)[kept])
    buckets = np.empty((corpus.bands(field), len(counting)), dtype=np.uint64)
    for band in range(len(buckets)):
        keys = corpus.keys(field, band)[kept][counting].astype(np.uint64)
        buckets[band] = np.sort((keys << _ROW_BITS) | counting.astype(np.uint64))
    write_array(folder, f"{field}.buckets", buckets)
    near = len(buckets) > 0
    write_texts(folder, f"{field}.texts", corpus.texts(field, kept.tolist()) if near else [])
