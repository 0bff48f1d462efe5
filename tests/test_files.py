from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gukbap.errors import InputError, StorageFullError
from gukbap.files import atomic_file, canonical_json, read_jsonl, write_json, write_jsonl, write_text
from gukbap.journal import Journal
from gukbap.schemas import Seed


def seed(number: int = 1, instruction: str = "김치찌개를 끓이는 방법을 알려 주세요.") -> Seed:
    return Seed(id=f"everyday-{number:03}", category="everyday", instruction=instruction)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_file(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_is_one_clear_error_and_the_old_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(StorageFullError, match="no space left"), atomic_file(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_text() == "old"


def test_records_survive_a_round_trip_in_nfc(tmp_path: Path) -> None:
    decomposed = "한글"  # 한글 in NFD
    path = tmp_path / "seeds.jsonl"
    assert write_jsonl(path, [seed(1, decomposed), seed(2, "줄\u2028바꿈")]) == 2
    read = read_jsonl(path, Seed)
    assert [record.instruction for record in read] == ["한글", "줄\u2028바꿈"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", "holds no record"),
        ("\n\n", "holds no record"),
        ('{"id": "a"', "line 1: not JSON"),
        (seed().model_dump_json() + '\n{"id": "b", "category": "x"}\n', "line 2: instruction"),
        ('{"id": "a", "category": "b", "instruction": "c", "extra": 1}\n', "line 1: extra"),
        ('{"id": "a", "category": "b", "instruction": "  "}\n', "line 1: instruction.*empty"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: str, expected: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=expected):
        read_jsonl(path, Seed)


def test_a_missing_file_and_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_jsonl(tmp_path / "none.jsonl", Seed)
    cp949 = tmp_path / "cp949.jsonl"
    cp949.write_bytes("한글".encode("cp949"))
    with pytest.raises(InputError, match="not UTF-8"):
        read_jsonl(cp949, Seed)


def test_json_refuses_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


@given(cut=st.integers(min_value=0, max_value=200))
def test_a_journal_torn_at_any_byte_keeps_every_whole_entry(
    cut: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "calls.jsonl"
    with Journal(path) as journal:
        for number in range(5):
            journal.record(f"key{number}", {"text": "답변" * number})
    content = path.read_bytes()
    torn = content[: max(0, len(content) - cut)]
    path.write_bytes(torn)
    whole = torn.count(b"\n")
    with Journal(path) as journal:
        assert len(journal) == whole
        journal.record("new", 1)
    with Journal(path) as journal:
        assert len(journal) == whole + 1
        assert journal["new"] == 1


def test_a_journal_with_a_foreign_line_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text('{"key": "a", "value": 1}\nhello\n{"key": "b", "value": 2}\n')
    with pytest.raises(InputError, match="line 2"):
        Journal(path)
    assert "hello" in path.read_text()


WRITER = """
import sys
import tempfile
from pathlib import Path
from typing import IO
from gukbap.journal import Journal
with Journal(Path(sys.argv[1]), shared=True) as journal:
    for number in range(40):
        journal.record_all({f"{sys.argv[2]}-{number}-{part}": "답변" * 500 for part in range(3)})
"""


def test_processes_share_a_journal_and_one_that_was_killed_costs_the_others_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shared.jsonl"
    with Journal(path, shared=True) as journal:
        journal.record("first", 1)
        # What a writer that was killed in the middle of a line leaves, while another has the file open.
        with path.open("ab") as file:
            file.write(b'{"key": "torn", "va')
        writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in "abc"]
        assert [writer.wait(60) for writer in writers] == [0, 0, 0]
        journal.record("last", 2)
    with Journal(path, shared=True) as journal:
        assert len(journal) == 2 + 3 * 40 * 3
        assert (journal["first"], journal["last"], "torn" in journal) == (1, 2, False)


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_equal_values_have_one_text(values: dict[str, int | str]) -> None:
    assert canonical_json(values) == canonical_json(dict(reversed(values.items())))


@pytest.mark.parametrize("shared", [False, True])
def test_a_write_that_breaks_off_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    path = tmp_path / "calls.jsonl"

    def half(file: IO[bytes], content: bytes) -> None:
        file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "no space left")

    with Journal(path, shared=shared) as journal:
        journal.record("a", {"text": "국밥"})
        with monkeypatch.context() as patched:
            patched.setattr("gukbap.journal.write_all", half)
            with pytest.raises(StorageFullError):
                journal.record("b", 2)
        assert "b" not in journal
        journal.record_all({"b": 3, "c": [4]})
        assert [journal[key] for key in "abc"] == [{"text": "국밥"}, 3, [4]]
    assert [journal.get(key) for key in "abcd"] == [{"text": "국밥"}, 3, [4], None]
    with Journal(path) as again:
        assert list(again.values()) == [{"text": "국밥"}, 3, [4]]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=3), st.integers()), max_size=60))
def test_a_journal_knows_what_a_dictionary_would(entries: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "j") as journal:
        for key, value in entries:
            journal.record(key, value)
        expected = dict(entries)
        with Journal(Path(folder) / "j") as again:
            for opened in (journal, again):
                assert len(opened) == len(expected)
                assert sorted(opened.values()) == sorted(expected.values())
                assert {key: opened[key] for key in expected} == expected
                assert all(key in opened for key in expected)
                assert "없는 열쇠" not in opened
                assert opened.get("없는 열쇠") is None
                with pytest.raises(KeyError):
                    opened["없는 열쇠"]


def test_a_journal_tells_keys_of_one_hash_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gukbap.journal._hash", lambda key: 7)
    with Journal(tmp_path / "j") as journal:
        journal.record_all({str(number): number for number in range(30)})
        assert [journal[str(number)] for number in range(30)] == list(range(30))
        assert "30" not in journal


def test_a_journal_of_many_and_long_entries_finds_each(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as journal:
        journal.record_all({str(number): "국밥" * (number % 50 * 100) for number in range(3000)})
        assert len(journal) == 3000
        for number in (0, 49, 1023, 1024, 2999):
            assert journal[str(number)] == "국밥" * (number % 50 * 100)
