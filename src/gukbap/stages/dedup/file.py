"""Near-dedup from file to file, in memory that hardly grows with the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gukbap.config import DedupSettings
from gukbap.errors import InputError
from gukbap.files import atomic_file, canonical_json
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.stages.dedup.corpus import Corpus
from gukbap.stages.dedup.decide import Removal
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.join import find_removals
from gukbap.stages.dedup.memory import without_collections
from gukbap.stages.dedup.tasks import sign_file
from gukbap.stages.dedup.telling import by_number, keeper_ids, removed_row, statistics


def dedup_file(
    settings: DedupSettings,
    source: Path,
    kept: Path,
    removed: Path,
    folder: Path,
    progress: Progress,
    *,
    index: Path | None = None,
) -> dict[str, Any]:
    """Keep the best row of all that are near-duplicates of each other, as `near_dedup` does.

    Args:
        settings: what counts as a near-duplicate, and with how many processes.
        source: JSON Lines of Row.
        kept: where the rows that stay are written, in their order.
        removed: where the others are written, JSON Lines of Removed.
        folder: signed chunks, which a run after a kill takes up; it belongs to this source and settings.
        progress: where bars over the rows are shown.
        index: a folder with what earlier runs kept, which stays whatever comes; the rows that stay now
            are added to it. Made where there is none.

    Returns:
        Statistics.

    Raises:
        InputError: the source is missing, empty or malformed, or the index is another one's.
    """
    opened = Index.open(index, settings) if index else Index.empty(settings)
    with progress.bar("dedup: signing", total=None) as bar:
        chunks = sign_file(settings, source, folder, bar.advance)
    corpus = Corpus(chunks, settings.dedup)
    if not len(corpus):
        raise InputError(f"{source} holds no record", expected="at least one Row")
    opened = opened.before(corpus.fingerprint())
    with progress.bar("dedup", total=len(corpus)) as bar, without_collections():
        removals = find_removals(settings.dedup, corpus, opened, bar.advance)
    keepers = keeper_ids(corpus, opened, removals)
    _write(corpus, by_number(corpus, opened, removals), keepers, kept, removed)
    if index:
        stays = np.ones(len(corpus), dtype=np.bool_)
        stays[[removal.row - len(opened) for removal in removals]] = False
        opened.add(index, corpus, np.flatnonzero(stays))
    return statistics(settings, corpus, opened, removals)


def _write(
    corpus: Corpus, gone: Mapping[int, Removal], keepers: Mapping[int, str], kept: Path, removed: Path
) -> None:
    with atomic_file(kept) as stay, atomic_file(removed) as go:
        number = 0
        for chunk in corpus.chunks:
            for line in chunk.lines:
                if removal := gone.get(number):
                    record = removed_row(Row.model_validate_json(line), removal, keepers[removal.keeper])
                    line = canonical_json(record.model_dump(mode="json"))
                (go if removal else stay).write(f"{line}\n".encode())
                number += 1
