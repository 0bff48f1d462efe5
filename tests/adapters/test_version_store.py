"""Data set versions in a store: written once, found by log, id and the beginning of an id, checked."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.stored_runs import stored_runs
from gukbap.adapters.version_store import VersionStore, data_set_names
from gukbap.data_versions import Manifest, StoredFile
from gukbap.errors import InputError, StoreError
from gukbap.files import sha256_file


@pytest.fixture
def versions(tmp_path: Path) -> VersionStore:
    return VersionStore(FolderStore(tmp_path / "store"), "국밥")


def made(folder: Path, rows: str, seeds: str = "seeds\n", index: str = "index") -> Manifest:
    """The manifest of a version of such contents, which lies in `folder`."""
    for name, text in {"rows.jsonl": rows, "seeds.jsonl": seeds, "index/index.json": index}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    files = {
        str(path.relative_to(folder)): StoredFile(sha256=sha256_file(path), size=path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }
    return Manifest(
        parent=None, rows=1, new_rows=1, gone_rows=0, seeds=1, new_seeds=1, categories={}, operations={},
        sources=[], settings_sha256="0" * 64, statements=[], gukbap_version="0", files=files,
    )  # fmt: skip


def stored(folder: Path) -> dict[str, bytes]:
    root = folder / "store"
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_version_comes_back_file_by_file_and_shares_what_it_has_in_common(
    versions: VersionStore, tmp_path: Path
) -> None:
    one, two = (made(tmp_path / rows, rows) for rows in ("one", "two"))
    versions.publish(tmp_path / "one", one)
    versions.publish(tmp_path / "two", two)
    assert versions.ids() == sorted([one.id, two.id])
    versions.fetch(versions.manifest(two.id).files, tmp_path / "back")
    assert (tmp_path / "back" / "rows.jsonl").read_text() == "two"
    assert (tmp_path / "back" / "index" / "index.json").read_text() == "index"
    assert sum("/files/" in name for name in stored(tmp_path)) == 4
    assert data_set_names(FolderStore(tmp_path / "store")) == ["국밥"]


def test_the_same_rows_and_seeds_are_one_version_and_nothing_is_written_again(
    versions: VersionStore, tmp_path: Path
) -> None:
    first = made(tmp_path / "one", "rows")
    versions.publish(tmp_path / "one", first)
    before = stored(tmp_path)
    again = made(tmp_path / "two", "rows", index="of another history")
    versions.publish(tmp_path / "two", again)
    assert again.id == first.id
    assert stored(tmp_path) == before
    assert made(tmp_path / "three", "rows", seeds="one more seed").id != first.id


def test_an_entry_of_the_log_is_written_once(versions: VersionStore, tmp_path: Path) -> None:
    assert versions.latest() is None
    one, two = made(tmp_path / "one", "one"), made(tmp_path / "two", "two")
    assert versions.append(1, one.id, "run-1")
    assert not versions.append(1, two.id, "run-2")
    assert versions.append(2, two.id, "run-2")
    assert [(entry.number, entry.version, entry.run) for entry in versions.log()] == [
        (1, one.id, "run-1"),
        (2, two.id, "run-2"),
    ]
    newest = versions.latest()
    assert newest is not None
    assert newest.version == two.id


def test_a_version_is_named_by_the_beginning_of_its_id(versions: VersionStore, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no version 'latest'"):
        versions.resolve("latest")
    for text in "abcdefghijklmnopqr":  # more than there are hexadecimal digits: two begin alike
        versions.publish(tmp_path / text, made(tmp_path / text, text))
    ids = versions.ids()
    assert versions.resolve(ids[3]) == ids[3]
    for reference in ("", "zz"):
        with pytest.raises(InputError, match=f"no version '{reference}'\n.*{ids[0]}.* and 8 more"):
            versions.resolve(reference)
    twice = next(one[0] for one, other in pairwise(ids) if one[0] == other[0])
    with pytest.raises(InputError, match=f"'{twice}' begins . versions"):
        versions.resolve(twice)


def test_what_is_damaged_or_missing_is_named_and_never_used(versions: VersionStore, tmp_path: Path) -> None:
    manifest = made(tmp_path / "one", "rows")
    versions.publish(tmp_path / "one", manifest)
    assert list(versions.problems(manifest.id)) == []
    store = tmp_path / "store" / "국밥" / "files"
    (store / manifest.files["rows.jsonl"].sha256).write_text("r0ws")
    (store / manifest.files["index/index.json"].sha256).unlink()
    problems = list(versions.problems(manifest.id))
    assert problems[0] == "index/index.json is missing"
    assert problems[1].startswith("rows.jsonl is damaged")
    with pytest.raises(StoreError, match="damaged"):
        versions.fetch({"rows.jsonl": manifest.files["rows.jsonl"]}, tmp_path / "back")
    assert not (tmp_path / "back" / "rows.jsonl").exists()


@pytest.mark.parametrize(
    "text",
    ["no json", "[]", '{"format": 2}', '{"files": {"../escaped": {"sha256": "%s", "size": 1}}}' % ("0" * 64)],
)
def test_a_manifest_that_is_none_is_one_clear_error(
    versions: VersionStore, tmp_path: Path, text: str
) -> None:
    place = tmp_path / "store" / "국밥" / "versions"
    place.mkdir(parents=True)
    (place / f"{'a' * 16}.json").write_text(text)
    with pytest.raises(StoreError, match="is no Manifest"):
        versions.manifest("a" * 16)


def test_a_data_set_is_not_taken_for_a_run(versions: VersionStore, tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    versions.publish(tmp_path / "a", made(tmp_path / "a", "rows"))
    assert versions.append(1, versions.ids()[0], "run-1")
    (tmp_path / "store" / "run-1").mkdir()
    (tmp_path / "store" / "run-1" / "run.json").write_text("{}")
    assert data_set_names(store) == ["국밥"]
    assert [run.name for run in stored_runs(store)] == ["run-1"]
