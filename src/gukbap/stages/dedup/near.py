"""Near-dedup: of rows that are the same but for small changes, the best one stays.

Texts are compared as letters and digits of their NFKC form. Character 3-shingles find the Korean
variants of particle, ending and spacing that word shingles miss; MinHash proposes pairs by them, and
every pair is then compared exactly (alike.py). Short requests in other words share few shingles and are found
by their gist (gist.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import DedupSettings
from gukbap.ports import Progress
from gukbap.schemas import Removed, Row
from gukbap.stages.dedup.chunks import sign_rows
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.join import find_removals
from gukbap.stages.dedup.memory import without_collections
from gukbap.stages.dedup.telling import by_number, keeper_ids, removed_row, statistics

#: Signed at once; results do not depend on it.
CHUNK_ROWS = 4_000


@dataclass(frozen=True)
class DedupResult:
    """Rows that stay, in their order; rows that went, each with its keeper; counts."""

    kept: list[Row]
    removed: list[Removed]
    statistics: dict[str, Any]


def near_dedup(
    settings: DedupSettings, rows: Sequence[Row], progress: Progress, index: Index | None = None
) -> DedupResult:
    """Keep the best row of all that are near-duplicates of each other.

    Rows are looked at by rank (`dedup.keep`, then content). One goes when its instruction or its
    response is a near-duplicate of a row's that stays; which of the two are compared, and whether
    nearly or only for being the same, the settings say. A second pass removes nothing.

    Args:
        settings: what counts as a near-duplicate, and the seed of MinHash.
        rows: rows in any order; none is allowed. Their order decides nothing.
        progress: where a bar over the rows is shown.
        index: rows that stay already, from earlier runs.
    """
    index = index or Index.empty(settings)
    with progress.bar("dedup", total=len(rows)) as bar, without_collections():
        chunks = [sign_rows(settings, block) for block in _blocks(rows)]
        corpus = Corpus(chunks, settings.dedup)
        removals = find_removals(settings.dedup, corpus, index, bar.advance)
        gone = by_number(corpus, index, removals)
        ids = keeper_ids(corpus, index, removals)
        removed = [
            removed_row(rows[number], gone[number], ids[gone[number].keeper]) for number in sorted(gone)
        ]
        kept = [row for number, row in enumerate(rows) if number not in gone]
        told = statistics(settings, corpus, index, removals)
    return DedupResult(kept, removed, told)


def _blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS))
