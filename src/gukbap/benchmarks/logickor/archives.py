"""Two files out of a zip or tar archive. Nothing is extracted: members are read into memory, bounded."""

from __future__ import annotations

import errno
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gukbap.benchmarks.logickor.checks import QUESTIONS, TEMPLATES
from gukbap.errors import InputError

#: bytes of one upstream file at most; LogicKor's have 32 kB and 7 kB
MOST_FILE_BYTES = 8 << 20
#: bytes of all members at most, since a packed tar has to be unpacked to be looked through; LogicKor
#: has 75 MB with all its judged answers
MOST_ARCHIVE_BYTES = 1 << 30
MOST_MEMBERS = 100_000

_WANTED = (QUESTIONS, TEMPLATES)
#: what programs add beside the one top folder
_NO_CONTENT = ("__MACOSX", "pax_global_header")
_SHA = re.compile(r"[0-9a-f]{40}")
_TOP_WITH_SHA = re.compile(r"(?:.*-)?([0-9a-f]{40})")


@dataclass(frozen=True)
class Unpacked:
    """What an archive gives: the wanted files and the commit that it names."""

    files: dict[str, bytes]
    commit: str | None
    #: wanted file → why it is there and cannot be used
    unusable: dict[str, str]
    problems: list[str]


@dataclass(frozen=True)
class _Member:
    name: str
    #: as the archive says; reading is bounded besides
    size: int
    is_folder: bool
    is_file: bool
    open: Callable[[], IO[bytes] | None]


def read_archive(path: Path) -> Unpacked:
    """questions.jsonl and templates.py of an archive, from its root or its one top folder.

    The commit comes from the archive's comment, as git and GitHub write it, or from the top folder's
    name.

    Raises:
        InputError: the file is no zip or tar archive, is damaged, encrypted, or beyond the bounds.
    """
    with _readable(path):
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return _pick(path, _zip_members(path, archive), _comment(archive.comment))
        if tarfile.is_tarfile(path):
            return _read_tar(path)
    raise InputError(
        f"{path} is no archive",
        expected="a folder, or a .zip, .tar or .tar.gz archive, with questions.jsonl and templates.py",
        fix="give the checkout's folder, or the archive as GitHub makes it",
    )


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError) as error:
        raise _damaged(path, error) from error
    except OSError as error:
        # gzip's own errors carry no number; a wrong offset makes zipfile seek before the beginning.
        if error.errno in (None, errno.EINVAL):
            raise _damaged(path, error) from error
        raise
    # What zipfile raises for encrypted members, and for compressions that it does not know.
    except (RuntimeError, NotImplementedError) as error:
        raise InputError(
            f"{path} cannot be read ({error})", expected="an archive without a password"
        ) from error


def _damaged(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} is damaged ({error})", fix="fetch the archive again")


def _zip_members(path: Path, archive: zipfile.ZipFile) -> list[_Member]:
    def member(info: zipfile.ZipInfo) -> _Member:
        # The upper half of the attributes is the Unix mode; 0 where the archive comes from elsewhere.
        kind = (info.external_attr >> 16) & 0o170000
        is_file = not info.is_dir() and kind in (0, 0o100000)
        return _Member(info.filename, info.file_size, info.is_dir(), is_file, lambda: archive.open(info))

    return list(_bounded(path, map(member, archive.infolist())))


def _read_tar(path: Path) -> Unpacked:
    # Two passes: a packed tar can only be read forwards, and which files are wanted is known at its end.
    with tarfile.open(path) as archive:

        def member(info: tarfile.TarInfo) -> _Member:
            return _Member(
                info.name, info.size, info.isdir(), info.isreg(), lambda: archive.extractfile(info)
            )

        members = list(_bounded(path, map(member, archive)))
        return _pick(path, members, _comment(archive.pax_headers.get("comment", "").encode()))


def _bounded(path: Path, members: Iterable[_Member]) -> Iterator[_Member]:
    total = 0
    for number, member in enumerate(members, start=1):
        total += member.size
        if member.size < 0 or total > MOST_ARCHIVE_BYTES or number > MOST_MEMBERS:
            raise InputError(
                f"{path} holds more than {MOST_ARCHIVE_BYTES >> 20} MB or {MOST_MEMBERS} members",
                expected="an archive of a LogicKor checkout",
            )
        yield member


def _pick(path: Path, members: list[_Member], comment: str | None) -> Unpacked:
    climbing = [member.name for member in members if _climbs(member.name)]
    if climbing:
        raise InputError(
            f"{path} holds {climbing[0]!r}, which leads out of the archive",
            expected="relative names without '..'",
            fix="do not trust this archive; fetch it again from where it is published",
        )
    top = _top_folder(members)
    named = _TOP_WITH_SHA.fullmatch(top)
    commit = comment or (named[1] if named else None)
    files: dict[str, bytes] = {}
    unusable: dict[str, str] = {}
    for wanted in _WANTED:
        name = f"{top}/{wanted}" if top else wanted
        found = [member for member in members if _plain(member.name) == name]
        if len(found) > 1:
            unusable[wanted] = f"{wanted} stands in the archive {len(found)} times"
        elif found and not found[0].is_file:
            unusable[wanted] = f"{wanted} is a link or something else that is no file"
        elif found:
            content = _content(found[0])
            if content is None:
                unusable[wanted] = too_large(wanted)
            else:
                files[wanted] = content
    problems = []
    if named and comment and named[1] != comment:
        problems.append(f"the archive's comment names commit {comment}, its folder {named[1]}")
    return Unpacked(files, commit, unusable, problems)


def too_large(name: str) -> str:
    """The words for a wanted file beyond the bound."""
    return f"{name} has more than {MOST_FILE_BYTES >> 20} MB"


def _content(member: _Member) -> bytes | None:
    if member.size > MOST_FILE_BYTES:
        return None
    file = member.open()
    if file is None:
        return None
    with file:
        content = file.read(MOST_FILE_BYTES + 1)
    return content if len(content) <= MOST_FILE_BYTES else None


def _top_folder(members: list[_Member]) -> str:
    """ "" where the wanted files lie at the root, or where there is more than one top folder."""
    names = [_plain(member.name) for member in members]
    if any(name in _WANTED for name in names):
        return ""
    tops = {name.partition("/")[0] for name in names} - {*_NO_CONTENT, ""}
    return tops.pop() if len(tops) == 1 else ""


def _plain(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _climbs(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    return ".." in parts or name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) is not None


def _comment(comment: bytes) -> str | None:
    text = comment.decode("ascii", errors="replace").strip()
    return text if _SHA.fullmatch(text) else None
