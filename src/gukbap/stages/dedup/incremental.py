"""Near-dedup of new rows after rows that stood before, with the index that those left.

The result is that of one run over all rows that puts the earlier ones first; the time follows the new rows,
as long as the index is of just these earlier rows and of the same settings.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gukbap.config import DedupSettings
from gukbap.errors import InputError
from gukbap.files import join_files
from gukbap.ports import Progress
from gukbap.stages.dedup.file import dedup_file
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.near import near_dedup

_SUMS = ("rows", "kept", "removed", "clusters")
_COUNTS = ("removed_by_reason", "removed_by_category")


def dedup_after(
    settings: DedupSettings,
    earlier: Path,
    earlier_ids: Sequence[str],
    new: Path,
    *,
    index: Path,
    kept: Path,
    removed: Path,
    folder: Path,
    progress: Progress,
) -> dict[str, Any]:
    """Remove from new rows what is a near-duplicate of earlier rows, or of each other.

    Args:
        settings: what counts as a near-duplicate.
        earlier: JSON Lines of Row, of which none is another's near-duplicate; may be empty.
        earlier_ids: their ids.
        new: JSON Lines of Row; may be empty.
        index: the folder of the earlier rows' index, to which the new ones are added. It is made anew,
            and the earlier rows are looked through, too, where it is of other rows or other settings.
        kept: where the rows that stay are written, the earlier ones first.
        removed: where the others are written, JSON Lines of Removed.
        folder: scratch room, which a run after a kill takes up.
        progress: where bars are shown.

    Returns:
        The statistics of `dedup_file` over all rows, `earlier_rows`, and `index_reused`.

    Raises:
        InputError: a file is malformed.
    """
    parts: list[dict[str, Any]] = []
    stays, goes = [earlier], []
    reused = _is_of(index, settings, earlier_ids)
    if not reused:
        shutil.rmtree(index, ignore_errors=True)

    def look_through(source: Path, name: str) -> None:
        stay, go = folder / f"{name}-kept.jsonl", folder / f"{name}-removed.jsonl"
        parts.append(dedup_file(settings, source, stay, go, folder / name, progress, index=index))
        stays.append(stay)
        goes.append(go)

    if not reused and earlier_ids:
        stays.clear()
        look_through(earlier, "earlier")
    if new.stat().st_size:
        look_through(new, "new")
    join_files(kept, stays)
    join_files(removed, goes)
    untouched = len(earlier_ids) if reused else 0
    return {
        **_summed(parts or [near_dedup(settings, [], progress).statistics], untouched),
        "earlier_rows": len(earlier_ids),
        "index_reused": reused and bool(earlier_ids),
    }


def _is_of(index: Path, settings: DedupSettings, ids: Sequence[str]) -> bool:
    """Whether an index is of these rows and of these settings."""
    try:
        opened = Index.open(index, settings)
    except InputError:
        return False
    return len(opened) == len(ids) and {opened.identifier(row) for row in range(len(opened))} == set(ids)


def _summed(parts: Sequence[Mapping[str, Any]], untouched: int) -> dict[str, Any]:
    """The statistics of several passes as those of one, with rows that no pass looked at."""
    last = dict(parts[-1])
    for name in _SUMS:
        last[name] = sum(part[name] for part in parts)
    for name in _COUNTS:
        total: Counter[str] = Counter()
        for part in parts:
            total.update(part[name])
        last[name] = dict(sorted(total.items()))
    last["cluster_sample"] = [cluster for part in parts for cluster in part["cluster_sample"]]
    last["largest_cluster"] = max(part["largest_cluster"] for part in parts)
    last["rows"] += untouched
    last["kept"] += untouched
    return last
