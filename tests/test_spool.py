"""Sequences in a file."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gukbap import spool as spools
from gukbap.errors import StorageFullError
from gukbap.spool import Chosen, Spool


@pytest.fixture(autouse=True)
def _holding_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "HELD_ITEMS", 2)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(st.text(), st.integers(), st.none())))
def test_a_spool_is_a_sequence_like_any_other(items: list[object]) -> None:
    spool = Spool(items)
    assert spool == items
    assert list(spool) == items
    assert [spool[-1 - place] for place in range(len(items))] == items[::-1]
    assert list(spool[1:]) == items[1:]
    spool.append("더")
    assert spool == [*items, "더"]
    assert spool != items


def test_what_is_not_there_is_an_index_error(tmp_path: Path) -> None:
    spool = Spool("ab", folder=tmp_path)
    for index in (2, -3):
        with pytest.raises(IndexError):
            spool[index]
    assert list(tmp_path.iterdir()) == []  # nothing that a kill would leave


def test_some_of_the_items_can_be_chosen() -> None:
    chosen = Chosen(Spool("abcde"), [4, 0, 2])
    assert chosen == ["e", "a", "c"]
    assert chosen[1:] == ["a", "c"]
    assert chosen != ["e", "a"]
    assert (chosen == 3) is False


class Full:
    """Stands for a file on a full disk."""

    def write(self, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "no space")


def test_a_full_disk_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spool = Spool(["가", "다"], folder=tmp_path)
    monkeypatch.setattr(spool, "_file", Full())
    with pytest.raises(StorageFullError, match="no space left"):
        spool.append("나")
