"""Archives: of every kind, as GitHub makes them, and as nobody should."""

from __future__ import annotations

import io
import stat
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from gukbap.benchmarks.logickor import archives, import_logickor
from gukbap.errors import InputError
from tests.benchmarks.logickor.upstream import OTHER_SHA, SHA, below, checkout, files, tarred, zipped


def written(folder: Path, name: str, content: bytes) -> str:
    """An archive on the disk."""
    (folder / name).write_bytes(content)
    return str(folder / name)


def refusal(source: str, pack: Path) -> str:
    """The words with which an archive is refused; nothing lies there afterwards."""
    with pytest.raises(InputError) as caught:
        import_logickor(source, pack)
    assert not pack.exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "commit"),
    [
        (zipped(files()), None),
        (zipped(below(f"LogicKor-{SHA}")), SHA),
        (zipped(below("LogicKor-main"), comment=SHA), SHA),
        (zipped(below("LogicKor-1.0"), comment="not a commit"), None),
        (zipped({**below(SHA), "__MACOSX/._x": b""}), SHA),
        (tarred(files(), ""), None),
        (tarred(below(f"LogicKor-{SHA}")), SHA),
        (tarred(below("LogicKor"), comment=SHA), SHA),
        (tarred({f"./{name}": value for name, value in files().items()}), None),
    ],
)
def test_an_archive_gives_the_pack_of_its_checkout(
    tmp_path: Path, content: bytes, commit: str | None
) -> None:
    plain = import_logickor(str(checkout(tmp_path / "up")), tmp_path / "plain")
    imported = import_logickor(written(tmp_path, "up.archive", content), tmp_path / "pack")
    assert imported.record.identity.sha256 == plain.record.identity.sha256
    assert imported.record.commit == commit
    assert ("the archive does not say which commit it is" in imported.record.notes) == (commit is None)


@pytest.mark.parametrize(
    "name", ["../evil.py", "a/../../evil.py", "/etc/evil.py", "..\\evil.py", "C:\\evil.py"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_member_that_leads_out_is_refused(tmp_path: Path, name: str, pack: object) -> None:
    assert callable(pack)
    source = written(tmp_path, "up.archive", pack({**files(), name: b"evil"}))
    assert "leads out of the archive" in refusal(source, tmp_path / "pack")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["up.archive"]


def linked(kind: bytes) -> bytes:
    """A tar archive whose templates.py is a link to a file of this machine."""
    packed = io.BytesIO(tarred({"questions.jsonl": files()["questions.jsonl"]}, ""))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        info = tarfile.TarInfo("templates.py")
        info.type, info.linkname = kind, "/etc/hostname"
        archive.addfile(info)
    return packed.getvalue()


def zipped_link() -> bytes:
    """A zip archive whose templates.py is a symbolic link."""
    packed = io.BytesIO(zipped({"questions.jsonl": files()["questions.jsonl"]}))
    with zipfile.ZipFile(packed, "a") as archive:
        info = zipfile.ZipInfo("templates.py")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/hostname")
    return packed.getvalue()


@pytest.mark.parametrize("content", [linked(tarfile.SYMTYPE), linked(tarfile.LNKTYPE), zipped_link()])
def test_a_link_is_not_followed(tmp_path: Path, content: bytes) -> None:
    words = refusal(written(tmp_path, "up.archive", content), tmp_path / "pack")
    assert "templates.py is a link" in words
    assert "there is no templates.py" not in words


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_giant_member_is_refused(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    content = {**files(), "questions.jsonl": b" " * (archives.MOST_FILE_BYTES + 1)}
    words = refusal(written(tmp_path, "up.archive", pack(content)), tmp_path / "pack")
    assert "questions.jsonl has more than 8 MB" in words


def test_a_member_that_lies_about_its_size_is_not_read_whole(tmp_path: Path) -> None:
    size = archives.MOST_FILE_BYTES + 1
    honest = zipped({**files(), "questions.jsonl": b" " * size})
    lying = honest.replace(size.to_bytes(4, "little"), (7).to_bytes(4, "little"))
    assert lying != honest
    refusal(written(tmp_path, "up.zip", lying), tmp_path / "pack")


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_beyond_the_bounds_is_refused(
    tmp_path: Path, pack: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(pack)
    source = written(tmp_path, "up.archive", pack(files()))
    monkeypatch.setattr(archives, "MOST_MEMBERS", 2)
    assert "or 2 members" in refusal(source, tmp_path / "pack")
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_ARCHIVE_BYTES", 100)
    assert "holds more than" in refusal(source, tmp_path / "pack")


def twice(content: Mapping[str, bytes]) -> bytes:
    """A tar archive in which the last name stands twice."""
    packed = io.BytesIO(tarred(content, ""))
    with tarfile.open(fileobj=packed, mode="a") as archive:
        archive.addfile(tarfile.TarInfo("templates.py"))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is no archive"),
        (b"some words", "is no archive"),
        (files()["questions.jsonl"], "is no archive"),
        (zipped(files())[:200] + zipped(files())[400:], "is damaged"),
        (tarred(files())[:600], "is damaged"),
        (twice(files()), "templates.py stands in the archive 2 times"),
        (zipped(below("one") | below("two")), "there is no questions.jsonl"),
        (zipped(below("a/b")), "there is no templates.py"),
        (zipped({}), "there is no questions.jsonl"),
        (zipped(below(f"LogicKor-{SHA}"), comment=OTHER_SHA), f"comment names commit {OTHER_SHA}"),
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    assert expected in refusal(written(tmp_path, "up.archive", content), tmp_path / "pack")


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    content = bytearray(zipped(files()))
    # The flag of encryption, in every local header and in the directory.
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = content.find(mark)
        while position >= 0:
            content[position + offset] |= 1
            position = content.find(mark, position + 4)
    assert "without a password" in refusal(written(tmp_path, "up.zip", bytes(content)), tmp_path / "pack")
