"""What every object store must do; each store's tests inherit this class."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gukbap.adapters.stored_folders import (
    KEEP,
    MANIFEST,
    download_folder,
    read_manifest,
    upload_folder,
    verify_folder,
)
from gukbap.adapters.stores import Store
from gukbap.errors import InputError, StoreError
from gukbap.ports import ObjectStore
from tests.adapters.recording import RecordingProgress


class StoreContract:
    """Subclasses give a fixture `store`: an empty store."""

    def test_it_is_an_object_store(self, store: Store) -> None:
        port: ObjectStore = store
        assert port.list("") == []

    def test_what_is_stored_comes_back_byte_for_byte(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * 5000
        (tmp_path / "a.bin").write_bytes(content)
        uri = store.put_file(tmp_path / "a.bin", "data/깊은 곳/a.bin")
        store.get_file("data/깊은 곳/a.bin", tmp_path / "new" / "b.bin")
        assert (tmp_path / "new" / "b.bin").read_bytes() == content
        assert "://" in uri
        assert uri.split("/")[-1] == "a.bin"

    def test_an_empty_file_is_an_object(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        store.put_file(tmp_path / "empty", "empty")
        store.get_file("empty", tmp_path / "copy")
        assert (tmp_path / "copy").read_bytes() == b""
        assert store.exists("empty")

    def test_a_second_put_replaces(self, store: Store, tmp_path: Path) -> None:
        for text in ("first", "second"):
            (tmp_path / "f").write_text(text)
            store.put_file(tmp_path / "f", "f")
        store.get_file("f", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "second"
        assert store.list("") == ["f"]

    def test_of_several_that_store_a_new_object_at_once_one_does(self, store: Store) -> None:
        for number in range(10):
            with ThreadPoolExecutor(8) as pool:
                tries = [pool.submit(store.put_new, f"log/{number}", b"%d" % n) for n in range(8)]
            (winner,) = [n for n, one in enumerate(tries) if one.result()]
            assert store.actual_sha256(f"log/{number}") == hashlib.sha256(b"%d" % winner).hexdigest()
            assert store.put_new(f"log/{number}", b"%d" % winner), "said twice, as after a lost reply"
        assert len(store.list("")) == 10

    def test_exists_means_exactly_this_key(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("x")
        store.put_file(tmp_path / "f", "runs/one/f")
        assert store.exists("runs/one/f")
        assert not store.exists("runs/one")
        assert not store.exists("runs/one/f2")
        assert not store.exists("one/f")

    def test_list_is_by_prefix_and_sorted(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("x")
        for key in ("b/2", "b/10", "a/1", "bb/1"):
            store.put_file(tmp_path / "f", key)
        assert store.list("") == ["a/1", "b/10", "b/2", "bb/1"]
        assert store.list("b/") == ["b/10", "b/2"]
        assert store.list("b") == ["b/10", "b/2", "bb/1"]
        assert store.list("c") == []

    def test_the_hash_is_that_of_the_bytes(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("국밥")
        store.put_file(tmp_path / "f", "f")
        assert store.sha256("f") == hashlib.sha256("국밥".encode()).hexdigest()
        assert store.sha256("g") is None

    def test_a_missing_object_is_named_and_the_target_left_alone(self, store: Store, tmp_path: Path) -> None:
        target = tmp_path / "t"
        target.write_text("old")
        with pytest.raises(StoreError, match="no/such"):
            store.get_file("no/such", target)
        assert target.read_text() == "old"
        assert [path.name for path in tmp_path.iterdir()] == ["t"]

    def test_a_missing_source_is_named(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="nowhere"):
            store.put_file(tmp_path / "nowhere", "f")

    @pytest.mark.parametrize("key", ["", "/f", "../f", "a/../../f", "a//b", "a/", "a\\b", "a\nb"])
    def test_a_key_that_leaves_the_store_is_refused(self, store: Store, tmp_path: Path, key: str) -> None:
        (tmp_path / "f").write_text("x")
        with pytest.raises(StoreError, match="object key"):
            store.put_file(tmp_path / "f", key)
        with pytest.raises(StoreError, match="object key"):
            store.get_file(key, tmp_path / "t")

    def test_an_upload_sends_only_what_changed(self, store: Store, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        (folder / "report").mkdir(parents=True)
        (folder / "rows.jsonl").write_text("one")
        (folder / "report" / "report.html").write_text("two")
        (folder / ".rows.jsonl.x7.tmp").write_text("torn by a kill")
        (folder / ".model.q1.tmp").mkdir()
        (folder / ".model.q1.tmp" / "weights").write_text("torn by a kill")
        progress = RecordingProgress()
        assert upload_folder(store, folder, "runs/r1", progress) == 2
        assert store.list("") == [
            f"runs/r1/{MANIFEST}",
            "runs/r1/report/report.html",
            "runs/r1/rows.jsonl",
        ]
        assert upload_folder(store, folder, "runs/r1/", progress) == 0
        (folder / "rows.jsonl").write_text("three")
        assert upload_folder(store, folder, "runs/r1", progress) == 1
        store.get_file("runs/r1/rows.jsonl", tmp_path / "copy")
        assert (tmp_path / "copy").read_text() == "three"
        assert progress.moved == [6, 6, 8], "bytes of rows.jsonl and report.html"

    def test_an_upload_of_no_folder_is_refused(self, store: Store, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no folder"):
            upload_folder(store, tmp_path / "nowhere", "r", RecordingProgress())

    def test_a_stored_folder_comes_back_and_is_checked(self, store: Store, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        (folder / "깊은 곳").mkdir(parents=True)
        (folder / "a.txt").write_text("하나")
        (folder / "깊은 곳" / "b.txt").write_text("둘")
        progress = RecordingProgress()
        upload_folder(store, folder, "r1", progress)
        assert verify_folder(store, "r1", tmp_path, progress) == []
        assert download_folder(store, "r1", tmp_path / "back", progress) == 2
        assert (tmp_path / "back" / "깊은 곳" / "b.txt").read_text() == "둘"
        assert download_folder(store, "r1", tmp_path / "back", progress) == 0

    def test_missing_and_foreign_objects_are_named(self, store: Store, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "a.txt").write_text("하나")
        (folder / "b.txt").write_text("둘")
        upload_folder(store, folder, "r1", RecordingProgress())
        store.delete("r1/a.txt")
        store.delete("r1/a.txt")
        store.put_file(folder / "b.txt", "r1/other.txt")
        store.put_file(folder / "a.txt", "r1/b.txt")
        found = verify_folder(store, "r1", tmp_path, RecordingProgress())
        assert found[:2] == ["a.txt is missing", "other.txt is not in the manifest"]
        assert found[2].startswith("b.txt is damaged")
        with pytest.raises(StoreError, match=r"a\.txt"):
            download_folder(store, "r1", tmp_path / "back", RecordingProgress())

    def test_a_folder_without_its_manifest_is_not_whole(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "a.txt").write_text("하나")
        store.put_file(tmp_path / "a.txt", "r1/a.txt")
        with pytest.raises(StoreError, match="not whole: 1 objects, and no manifest"):
            read_manifest(store, "r1", tmp_path)
        with pytest.raises(StoreError, match="not whole: 0 objects"):
            read_manifest(store, "r2", tmp_path)

    def test_entries_have_size_and_time(self, store: Store, tmp_path: Path) -> None:
        (tmp_path / "f").write_text("국밥")
        store.put_file(tmp_path / "f", "a/f")
        (entry,) = store.entries("a/")
        assert (entry.key, entry.size) == ("a/f", 6)
        assert abs((datetime.now(UTC) - entry.modified).total_seconds()) < 600

    def test_a_run_that_is_marked_to_be_kept_is_whole(self, store: Store, tmp_path: Path) -> None:
        folder = tmp_path / "run"
        folder.mkdir()
        (folder / "a.txt").write_text("하나")
        upload_folder(store, folder, "r1", RecordingProgress())
        store.put_file(folder / "a.txt", f"r1/{KEEP}")
        assert verify_folder(store, "r1", tmp_path, RecordingProgress()) == []

    @pytest.mark.parametrize(
        "manifest",
        [
            '{"files": {"../../escaped": {"sha256": "%s", "size": 5}}}' % ("0" * 64),
            '{"files": {"/escaped": {"sha256": "%s", "size": 5}}}' % ("0" * 64),
            '{"files": {"a": {"sha256": "short", "size": 5}}}',
            '{"other": 1}',
            "[]",
            "no json",
        ],
    )
    def test_a_manifest_that_is_none_or_climbs_is_refused(
        self, store: Store, tmp_path: Path, manifest: str
    ) -> None:
        (tmp_path / "m").write_text(manifest)
        store.put_file(tmp_path / "m", f"r1/{MANIFEST}")
        with pytest.raises(StoreError, match="is no manifest"):
            download_folder(store, "r1", tmp_path / "inner" / "back", RecordingProgress())
        assert [path.name for path in (tmp_path / "inner" / "back").iterdir()] == [MANIFEST]

    def test_several_may_fetch_the_same_at_once(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * 40000
        (tmp_path / "f").write_bytes(content)
        store.put_file(tmp_path / "f", "f")
        with ThreadPoolExecutor(4) as pool:
            done = [pool.submit(store.get_file, "f", tmp_path / "back") for _ in range(8)]
        for one in done:
            one.result()
        assert (tmp_path / "back").read_bytes() == content
