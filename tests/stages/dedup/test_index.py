"""An index of what earlier runs kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gukbap.errors import InputError
from gukbap.files import read_jsonl
from gukbap.schemas import Removed
from gukbap.stages.dedup import Index
from gukbap.stages.dedup.index import verify
from tests.stages.dedup.rows import BASE, configured, dedup, families, of_texts
from tests.stages.dedup.test_file import run

SETTINGS = configured(bucket_rows=3)


@pytest.mark.parametrize("keep", ["complexity", "length"])
@pytest.mark.parametrize("responses", ["same", "near"])
def test_runs_one_after_the_other_keep_what_one_run_keeps_where_old_rows_rank_first(
    tmp_path: Path, keep: str, responses: str
) -> None:
    settings = configured(keep=keep, responses=responses, bucket_rows=3)
    rows = families(150, seed=9)
    generations = [rows[:100], rows[100:160], rows[160:]]
    kept = [run(tmp_path / str(n), part, settings, tmp_path / "index") for n, part in enumerate(generations)]
    # With "earliest" and rounds by generation a full run looks at old rows first; ties go as above.
    full = configured(keep="earliest", responses=responses, bucket_rows=3)
    staged = [
        one.model_copy(update={"lineage": one.lineage.model_copy(update={"round": n})})
        for n, part in enumerate(generations)
        for one in part
    ]
    expected = {one.id for one in dedup(staged, **full.dedup.model_dump(exclude={"workers"})).kept}
    assert {identifier for part in kept for identifier in part} == expected


def test_a_removed_row_may_name_a_keeper_of_an_older_run(tmp_path: Path) -> None:
    assert run(tmp_path / "a", of_texts(BASE), SETTINGS, tmp_path / "index") == ["r0"]
    new = [one.model_copy(update={"id": "new"}) for one in of_texts(BASE.replace("써 주세요", "써 줘"))]
    assert run(tmp_path / "b", new, SETTINGS, tmp_path / "index") == []
    [entry] = read_jsonl(tmp_path / "b" / "removed.jsonl", Removed)
    assert (entry.row.id, entry.keeper_id) == ("new", "r0")
    assert len(Index.open(tmp_path / "index", SETTINGS)) == 1


def test_an_index_of_other_settings_is_refused_and_named(tmp_path: Path) -> None:
    run(tmp_path / "a", of_texts(BASE), SETTINGS, tmp_path / "index")
    with pytest.raises(InputError, match="other settings: similarity"):
        Index.open(tmp_path / "index", configured(bucket_rows=3, similarity=0.9))
    assert len(Index.open(tmp_path / "index", configured(bucket_rows=3, workers=7, keep="length"))) == 1


def test_an_index_of_another_format_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", of_texts(BASE), SETTINGS, tmp_path / "index")
    meta = tmp_path / "index" / "index.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "format": 99}))
    with pytest.raises(InputError, match="format 99"):
        Index.open(tmp_path / "index", SETTINGS)


def test_a_torn_file_is_refused_and_a_changed_one_is_found(tmp_path: Path) -> None:
    run(tmp_path / "a", of_texts(BASE), SETTINGS, tmp_path / "index")
    verify(tmp_path / "index")
    file = tmp_path / "index" / "segment-00000" / "instruction.texts.txt"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + b"?")
    Index.open(tmp_path / "index", SETTINGS)
    with pytest.raises(InputError, match="not what was written"):
        verify(tmp_path / "index")
    file.write_bytes(content[:-1])
    with pytest.raises(InputError, match="missing or not whole"):
        Index.open(tmp_path / "index", SETTINGS)


def test_a_segment_that_no_list_names_is_written_anew(tmp_path: Path) -> None:
    """A kill between the segment and the list."""
    stray = tmp_path / "index" / "segment-00000"
    stray.mkdir(parents=True)
    (stray / "ids.txt").write_text("half")
    assert run(tmp_path / "a", of_texts(BASE), SETTINGS, tmp_path / "index") == ["r0"]
    verify(tmp_path / "index")
    assert Index.open(tmp_path / "index", SETTINGS).identifier(0) == "r0"


def test_a_run_that_is_tried_again_does_not_find_its_own_rows(tmp_path: Path) -> None:
    rows = families(30, seed=10)
    first = run(tmp_path / "a", rows[:40], SETTINGS, tmp_path / "index")
    second = run(tmp_path / "b", rows[40:], SETTINGS, tmp_path / "index")
    assert run(tmp_path / "c", rows[:39:-1], SETTINGS, tmp_path / "index") == second[::-1]
    assert len(Index.open(tmp_path / "index", SETTINGS)) == len(first) + len(second)
    verify(tmp_path / "index")
