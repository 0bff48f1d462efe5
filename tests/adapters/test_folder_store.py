"""The folder store: the contract of all stores, and what only a folder can do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gukbap.adapters.folder_store import FolderStore
from gukbap.adapters.stores import Store, open_store
from gukbap.config import StoreConfig
from gukbap.errors import ConfigError, StoreError
from tests.adapters.store_contract import StoreContract


class TestFolderStore(StoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return FolderStore(tmp_path / "the store")


def test_no_url_means_no_store() -> None:
    assert open_store(StoreConfig()) is None


def test_a_file_url_opens_a_folder(tmp_path: Path) -> None:
    place = tmp_path / "한글 폴더"
    store = open_store(StoreConfig(url=place.as_uri()))
    assert isinstance(store, FolderStore)
    (tmp_path / "f").write_text("x")
    assert store.put_file(tmp_path / "f", "k") == (place / "k").as_uri() == store.uri("k")
    assert (place / "k").read_text() == "x"


def test_a_file_url_of_another_machine_is_refused() -> None:
    with pytest.raises(ConfigError, match="file:///absolute/path"):
        open_store(StoreConfig(url="file://elsewhere/folder"))


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    store = FolderStore(tmp_path / "store")
    store.put_file(tmp_path / "f", "a")
    with pytest.raises(StoreError, match="cannot store a/b"):
        store.put_file(tmp_path / "f", "a/b")


def test_a_copy_that_was_killed_leaves_the_old_object(tmp_path: Path) -> None:
    """Kill -9 in the middle of a copy that has written half of its bytes."""
    (tmp_path / "old").write_text("old")
    store = FolderStore(tmp_path / "store")
    store.put_file(tmp_path / "old", "k")
    program = (
        "import sys, shutil; from pathlib import Path; from gukbap.adapters.folder_store import FolderStore\n"
        "def stuck(source, target, size):\n"
        "    target.write(b'half'); target.flush(); print('copying', flush=True); sys.stdin.read()\n"
        "shutil.copyfileobj = stuck\n"
        f"FolderStore(Path({str(store.root)!r})).put_file(Path({str(tmp_path / 'old')!r}), 'k')\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"copying\n"
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    assert len(list(store.root.iterdir())) == 2
    assert store.list("") == ["k"]
    assert (store.root / "k").read_text() == "old"
