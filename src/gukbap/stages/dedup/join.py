"""The one join: signed rows of all chunks, and an index, become what goes and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gukbap.config import DedupConfig
from gukbap.stages.dedup.arrays import Indices, Words64
from gukbap.stages.dedup.chunks import DIGESTS, FieldName
from gukbap.stages.dedup.collisions import Collisions, collide
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.decide import Field, Removal, Texts, decide, likely_pairs
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.shared import shared

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
        same, gist = (shared(corpus, index, name, kind) for kind in DIGESTS)
        fields.append(Field(name, texts, same, gist, collisions))
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
