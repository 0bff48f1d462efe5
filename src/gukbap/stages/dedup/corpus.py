"""The rows of several chunks as one, in the order of rank."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np

from gukbap.config import DedupConfig
from gukbap.stages.dedup.arrays import Indices, Words32, Words64
from gukbap.stages.dedup.chunks import Chunk, Digest, FieldName


class Corpus:
    """Rows of chunks, numbered by rank: 0 is the best.

    Rank goes by the rule `settings.keep` and then by content, so that it depends neither on the order
    of the rows nor on how they are cut into chunks.
    """

    def __init__(self, chunks: Sequence[Chunk], settings: DedupConfig) -> None:
        self.chunks = chunks
        self._settings = settings
        self._starts = np.array([0, *accumulate(map(len, chunks))], np.int64)
        self.order = self._ranked()

    def __len__(self) -> int:
        return len(self.order)

    def _ranked(self) -> Indices:
        rounds, lengths = _joined([c.rounds for c in self.chunks]), _joined([c.lengths for c in self.chunks])
        ties = _joined([c.ties for c in self.chunks]).reshape(-1, 2)
        first, second = {
            "complexity": (-rounds, -lengths),
            "length": (-lengths, -rounds),
            "earliest": (rounds, -lengths),
        }[self._settings.keep]
        return np.lexsort((ties[:, 1], ties[:, 0], second, first))

    def fingerprint(self) -> str:
        """A SHA-256 of all rows, whatever their order."""
        ties = _joined([chunk.ties for chunk in self.chunks]).reshape(-1, 2)
        return hashlib.sha256(ties[self.order].tobytes()).hexdigest()

    @property
    def fields(self) -> list[FieldName]:
        """The fields that are compared."""
        return list(self.chunks[0].fields) if self.chunks else []

    def bands(self, field: FieldName) -> int:
        """How many bands the field has; none where only the same texts count."""
        return len(self.chunks[0].fields[field].keys)

    def places(self, ranks: Sequence[int]) -> Iterator[tuple[Chunk, int]]:
        """Where the rows of some ranks are: in which chunk, and which of its rows."""
        numbers = self.order[np.asarray(ranks, np.int64)]
        chunks = np.searchsorted(self._starts, numbers, side="right") - 1
        rows = numbers - self._starts[chunks]
        return zip(map(self.chunks.__getitem__, chunks.tolist()), rows.tolist(), strict=True)

    def texts(self, field: FieldName, ranks: Sequence[int]) -> list[str]:
        """A field's compatible texts of some rows."""
        return [chunk.fields[field].texts[row] for chunk, row in self.places(ranks)]

    def ids(self, ranks: Sequence[int]) -> list[str]:
        """The ids of some rows."""
        return [chunk.ids[row] for chunk, row in self.places(ranks)]

    def counting(self, field: FieldName) -> np.ndarray:
        """Whether the field of each row is long enough to tell anything, by rank."""
        if field == "instruction":
            return np.ones(len(self), dtype=np.bool_)
        letters = _joined([chunk.fields[field].letters for chunk in self.chunks])
        return np.asarray(letters >= self._settings.min_response_chars)[self.order]

    def digests(self, field: FieldName, kind: Digest) -> Words64:
        """n × 2, by rank."""
        digests = _joined([getattr(chunk.fields[field], kind) for chunk in self.chunks])
        return digests.reshape(-1, 2)[self.order]

    def keys(self, field: FieldName, band: int) -> Words32:
        """A band's keys, by rank."""
        return _joined([chunk.fields[field].keys[band] for chunk in self.chunks])[self.order]

    def sketches(self, field: FieldName) -> Words64:
        """n × words, by rank."""
        return np.concatenate([chunk.fields[field].sketches for chunk in self.chunks])[self.order]


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
