"""The one join: signed rows of all chunks, and an index, become what goes and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gukbap.config import DedupConfig
from gukbap.stages.dedup.arrays import Indices, Words64
from gukbap.stages.dedup.chunks import FieldName
from gukbap.stages.dedup.collisions import Collisions, collide
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.decide import Field, Removal, Texts, decide, likely_pairs
from gukbap.stages.dedup.index import Index

#: field and bands → their collisions, where they were found elsewhere
FoundCollisions = Mapping[FieldName, Collisions]


def find_removals(
    settings: DedupConfig,
    corpus: Corpus,
    index: Index,
    advance: Callable[[int], None],
    found: FoundCollisions | None = None,
) -> list[Removal]:
    """Decide all rows of a corpus after those of an index.

    Rows are numbered by rank behind those of the index.

    Args:
        settings: when two rows are alike.
        corpus: the rows.
        index: what stays already.
        advance: told of so many rows more.
        found: collisions that other tasks found (`find_collisions`); all are found here where None.
    """
    fields = []
    for name in corpus.fields:
        bands = range(corpus.bands(name))
        texts = _texts(corpus, index, name)
        collisions = None
        if bands:
            collisions = found[name] if found else find_collisions(settings, corpus, index, name, bands)
        fields.append(Field(name, texts, *_same_texts(corpus, index, name), collisions))
    rows = range(len(index), len(index) + len(corpus))
    return decide(settings, rows, fields, advance)


def find_collisions(
    settings: DedupConfig, corpus: Corpus, index: Index, name: FieldName, bands: range
) -> Collisions:
    """The collisions of some bands of a field: tasks may share the bands among them."""
    counting = np.flatnonzero(corpus.counting(name))
    texts = _texts(corpus, index, name)
    return collide(
        lambda band: corpus.keys(name, band)[counting],
        bands,
        counting + len(index),
        settings.bucket_rows,
        index.buckets(name),
        lambda pairs: likely_pairs(pairs, texts, settings),
    )


def _texts(corpus: Corpus, index: Index, name: FieldName) -> Texts:
    first = len(index)

    def texts(rows: Sequence[int]) -> list[str]:
        own = iter(corpus.texts(name, [row - first for row in rows if row >= first]))
        return [next(own) if row >= first else index.text(name, row) for row in rows]

    return Texts(texts, _sketches(corpus, index, name))


def _sketches(corpus: Corpus, index: Index, name: FieldName) -> Callable[[Indices], Words64]:
    own, first = corpus.sketches(name), len(index)

    def sketches(rows: Indices) -> Words64:
        if not first:
            return own[rows]
        earlier = rows < first
        found = np.empty((len(rows), own.shape[1]), dtype=np.uint64)
        found[~earlier] = own[rows[~earlier] - first]
        if earlier.any():
            found[earlier] = index.sketches(name, rows[earlier])
        return found

    return sketches


def _same_texts(corpus: Corpus, index: Index, name: FieldName) -> tuple[Indices, dict[int, int]]:
    """A number for each text that several rows have, or −1; and which row of the index has it."""
    digests, counting = corpus.digests(name), np.flatnonzero(corpus.counting(name))
    same = np.full(len(digests), -1, dtype=np.int64)
    if not len(counting):
        return same, {}
    digests = digests[counting]
    order = np.lexsort(digests.T)
    new = np.concatenate(([True], (digests[order[1:]] != digests[order[:-1]]).any(axis=1)))
    numbers = np.empty_like(order)
    numbers[order] = np.cumsum(new) - 1
    earlier = index.same(name, digests)
    found = earlier >= 0
    shared = (np.bincount(numbers)[numbers] > 1) | found
    same[counting[shared]] = numbers[shared]
    return same, dict(zip(numbers[found].tolist(), earlier[found].tolist(), strict=True))
