"""Signed rows: all that near-dedup must know of some rows, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from gukbap.config import DedupSettings
from gukbap.files import atomic_folder
from gukbap.schemas import Row
from gukbap.stages.dedup.arrays import Indices, Words64
from gukbap.stages.dedup.columns import StoredTexts, read_array, write_array, write_texts
from gukbap.stages.dedup.signatures import Signatures, hashes128, sign

FieldName = Literal["instruction", "response"]
FIELDS: tuple[FieldName, ...] = ("instruction", "response")
#: Arrays of a chunk that are equal for texts of the same letters, or of one gist.
Digest = Literal["digests", "gists"]
DIGESTS: tuple[Digest, ...] = ("digests", "gists")
_ARRAYS = ("letters", "digests", "gists", "keys", "sketches")


@dataclass(frozen=True)
class Chunk:
    """Some rows, in their order."""

    ids: Sequence[str]
    #: the rows as JSON, where they come from a file
    lines: Sequence[str]
    categories: Sequence[str]
    rounds: Indices
    #: characters of the responses
    lengths: Indices
    #: n × 2: a hash of id, instruction and response, which settles ties of rank
    ties: Words64
    fields: dict[FieldName, Signatures]

    def __len__(self) -> int:
        return len(self.rounds)


def sign_rows(settings: DedupSettings, rows: Iterable[Row], lines: Sequence[str] = ()) -> Chunk:
    """Sign rows; `lines` are the same as JSON, where they are to be written later."""
    listed = [(row.id, row.instruction, row.response, row.lineage.round, row.category) for row in rows]
    dedup = settings.dedup
    # What is shorter does not count, so it need not be prepared.
    long = [row[2] if len(row[2]) >= dedup.min_response_chars else "" for row in listed]
    instructions = [row[1] for row in listed]
    columns: dict[FieldName, tuple[str, list[str]]] = {
        "instruction": (dedup.instructions, instructions),
        "response": (dedup.responses, long),
    }
    return Chunk(
        ids=[row[0] for row in listed],
        lines=lines,
        categories=[row[4] for row in listed],
        rounds=np.array([row[3] for row in listed], dtype=np.int64),
        lengths=np.array([len(row[2]) for row in listed], dtype=np.int64),
        ties=hashes128("\0".join(row[:3]).encode("utf-8", "surrogatepass") for row in listed),
        fields={
            name: sign(texts, dedup, settings.seed, minhash=mode == "near")
            for name, (mode, texts) in columns.items()
            if mode != "off"
        },
    )


def write_chunk(folder: Path, chunk: Chunk) -> None:
    """Write a chunk into a folder that is there as a whole or not at all."""
    with atomic_folder(folder) as new:
        for name in ("ids", "lines", "categories"):
            write_texts(new, name, getattr(chunk, name))
        for name in ("rounds", "lengths", "ties"):
            write_array(new, name, getattr(chunk, name))
        for field, signed in chunk.fields.items():
            write_texts(new, f"{field}.texts", signed.texts)
            for name in _ARRAYS:
                write_array(new, f"{field}.{name}", getattr(signed, name))


def read_chunk(folder: Path) -> Chunk:
    """Open a chunk's folder; nothing is held in memory that is not asked for."""
    fields = {
        field: Signatures(
            StoredTexts(folder, f"{field}.texts"),
            *(read_array(folder, f"{field}.{name}") for name in _ARRAYS),
        )
        for field in FIELDS
        if (folder / f"{field}.keys.npy").is_file()
    }
    ids, lines, categories = (StoredTexts(folder, name) for name in ("ids", "lines", "categories"))
    rounds, lengths, ties = (read_array(folder, name) for name in ("rounds", "lengths", "ties"))
    return Chunk(ids, lines, categories, rounds, lengths, ties, fields)
