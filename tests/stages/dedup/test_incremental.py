"""Near-dedup after rows that stood before: like runs one after the other, with an index that fits or none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupSettings
from gukbap.files import read_jsonl, write_jsonl
from gukbap.schemas import Removed, Row
from gukbap.stages.dedup.incremental import dedup_after
from gukbap.stages.dedup.index import Index, verify
from tests.stages.dedup.rows import configured, dedup, families
from tests.stages.dedup.test_file import run

SETTINGS = configured(bucket_rows=3)


def after(
    folder: Path, earlier: Sequence[Row], new: Sequence[Row], index: Path, settings: DedupSettings = SETTINGS
) -> dict[str, Any]:
    write_jsonl(folder / "earlier.jsonl", earlier)
    write_jsonl(folder / "new.jsonl", new)
    return dedup_after(
        settings,
        folder / "earlier.jsonl",
        [row.id for row in earlier],
        folder / "new.jsonl",
        index=index,
        kept=folder / "kept.jsonl",
        removed=folder / "removed.jsonl",
        folder=folder,
        progress=SilentProgress(),
    )


def rows_in(folder: Path, name: str = "kept") -> list[Row]:
    return read_jsonl(folder / f"{name}.jsonl", Row, allow_empty=True)


@pytest.mark.parametrize("gone", [0, 4])
def test_new_rows_are_compared_with_the_index_or_with_one_made_anew(tmp_path: Path, gone: int) -> None:
    """Where earlier rows are gone since, they keep nothing out any more."""
    rows = families(60, seed=11)
    run(tmp_path / "before", rows[:60], SETTINGS, tmp_path / "index")
    earlier, new = rows_in(tmp_path / "before")[gone:], rows[60:]
    # Two runs one after the other over the rows that are left.
    run(tmp_path / "left", earlier, SETTINGS, tmp_path / "expected")
    expected = run(tmp_path / "then", new, SETTINGS, tmp_path / "expected")
    done = after(tmp_path / "work", earlier, new, tmp_path / "index")
    assert [row.id for row in rows_in(tmp_path / "work")] == [*(row.id for row in earlier), *expected]
    removed = read_jsonl(tmp_path / "work" / "removed.jsonl", Removed)
    assert (done["rows"], done["kept"]) == (len(earlier) + len(new), len(earlier) + len(expected))
    assert done["removed"] == len(removed) == sum(done["removed_by_reason"].values())
    assert (done["index_reused"], done["earlier_rows"]) == (not gone, len(earlier))
    verify(tmp_path / "index")
    assert len(Index.open(tmp_path / "index", SETTINGS)) == done["kept"]


def test_other_settings_look_through_the_earlier_rows_too(tmp_path: Path) -> None:
    rows = families(40, seed=12)
    run(tmp_path / "before", rows, configured(instructions="off"), tmp_path / "index")
    earlier = rows_in(tmp_path / "before")
    done = after(tmp_path / "work", earlier, [], tmp_path / "index")
    assert not done["index_reused"]
    assert done["removed"] > 0
    assert rows_in(tmp_path / "work") == dedup(earlier, bucket_rows=3).kept


def test_without_earlier_or_without_new_rows(tmp_path: Path) -> None:
    rows = families(20, seed=13)
    first = after(tmp_path / "first", [], rows, tmp_path / "index")
    assert rows_in(tmp_path / "first") == dedup(rows, bucket_rows=3).kept
    second = after(tmp_path / "second", rows_in(tmp_path / "first"), [], tmp_path / "index")
    assert rows_in(tmp_path / "second") == rows_in(tmp_path / "first")
    assert (second["removed"], second["index_reused"]) == (0, True)
    assert first.keys() == second.keys()
