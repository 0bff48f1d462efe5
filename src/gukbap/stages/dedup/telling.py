"""What near-dedup did, in records and numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from gukbap.config import DedupSettings
from gukbap.schemas import Removed, Row
from gukbap.stages.dedup.alike import Reason
from gukbap.stages.dedup.chunks import FieldName
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.decide import Removal
from gukbap.stages.dedup.index import Index

# What the sample for a reader's eyes holds.
_SAMPLED_CLUSTERS, _SAMPLED_ROWS, _EXCERPT_CHARS = 10, 3, 200

_KINDS = {"same": "same", "near": "near-duplicate", "rearranged": "rearranged"}


def reason(removal: Removal) -> str:
    """A removal in words."""
    return _in_words(removal.likeness.reason, removal.field)


def _in_words(kind: Reason, field: FieldName) -> str:
    return f"{_KINDS[kind]} {field}"


def keeper_ids(corpus: Corpus, index: Index, removals: Sequence[Removal]) -> dict[int, str]:
    """The ids of the rows that stay in the place of others, by rank."""
    keepers, first = {removal.keeper for removal in removals}, len(index)
    earlier = {keeper: index.identifier(keeper) for keeper in keepers if keeper < first}
    own = [keeper for keeper in keepers if keeper >= first]
    return earlier | dict(zip(own, corpus.ids([keeper - first for keeper in own]), strict=True))


def by_number(corpus: Corpus, index: Index, removals: Sequence[Removal]) -> dict[int, Removal]:
    """Which row of the corpus, counted in the order of its chunks, each removal is about."""
    numbers = corpus.order[np.array([removal.row for removal in removals], np.int64) - len(index)]
    return dict(zip(numbers.tolist(), removals, strict=True))


def removed_row(row: Row, removal: Removal, keeper_id: str) -> Removed:
    """The record of a row that went."""
    # Not validated once more: there may be hundreds of thousands.
    return Removed.model_construct(
        row=row,
        keeper_id=keeper_id,
        similarity=removal.likeness.jaccard,
        edit_similarity=removal.likeness.edit,
        reason=reason(removal),
    )


def statistics(
    settings: DedupSettings, corpus: Corpus, index: Index, removals: Sequence[Removal]
) -> dict[str, Any]:
    """What near-dedup did, in numbers."""
    sizes = Counter(removal.keeper for removal in removals)
    places = corpus.places([removal.row - len(index) for removal in removals])
    categories = Counter(chunk.categories[row] for chunk, row in places)
    kinds = Counter((removal.likeness.reason, removal.field) for removal in removals)
    return {
        "rows": len(corpus),
        "kept": len(corpus) - len(removals),
        "removed": len(removals),
        "clusters": len(sizes),
        "largest_cluster": max(sizes.values(), default=0) + 1 if len(corpus) else 0,
        "similarity": settings.dedup.similarity,
        "bands": settings.dedup.bands,
        "index_rows": len(index),
        "removed_by_reason": dict(sorted((_in_words(*kind), count) for kind, count in kinds.items())),
        "removed_by_category": dict(sorted(categories.items())),
        "cluster_sample": _sample(corpus, index, removals),
    }


def _sample(corpus: Corpus, index: Index, removals: Sequence[Removal]) -> list[dict[str, Any]]:
    """The largest clusters, a few rows of each, with their texts as they were compared."""
    clusters: defaultdict[int, list[Removal]] = defaultdict(list)
    for removal in removals:
        clusters[removal.keeper].append(removal)
    largest = sorted(clusters.items(), key=lambda item: (-len(item[1]), item[0]))[:_SAMPLED_CLUSTERS]
    kept_ids = keeper_ids(corpus, index, [members[0] for _, members in largest])
    return [
        {
            "kept_id": kept_ids[keeper],
            "kept": _excerpt(corpus, index, members[0].field, keeper),
            "size": len(members) + 1,
            "removed": [
                {
                    "id": corpus.ids([removal.row - len(index)])[0],
                    "text": _excerpt(corpus, index, removal.field, removal.row),
                    "reason": reason(removal),
                    "similarity": removal.likeness.jaccard,
                    "edit_similarity": removal.likeness.edit,
                }
                for removal in members[:_SAMPLED_ROWS]
            ],
        }
        for keeper, members in largest
    ]


def _excerpt(corpus: Corpus, index: Index, field: FieldName, row: int) -> str:
    if not corpus.bands(field):
        return ""  # only digests are known of texts that are compared for being the same
    text = corpus.texts(field, [row - len(index)])[0] if row >= len(index) else index.text(field, row)
    return text[:_EXCERPT_CHARS].encode("utf-8", "replace").decode()
