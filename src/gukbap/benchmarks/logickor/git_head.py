"""The commit of a checkout, read from the files of its .git; no git program runs."""

from __future__ import annotations

import re
from pathlib import Path

_SHA = re.compile(r"[0-9a-f]{40}")
_REF = re.compile(r"refs/[\w./+@-]+")
#: far above any HEAD, ref or packed-refs of a benchmark's repository
_MOST_BYTES = 16 << 20


def head_commit(checkout: Path) -> str | None:
    """The commit that HEAD names (40 hexadecimal digits); None where that cannot be known."""
    git = _git_folder(checkout)
    if git is None:
        return None
    head = _line(git / "HEAD")
    if _SHA.fullmatch(head):
        return head
    ref = head.removeprefix("ref:").strip()
    # A ref names a file below .git; nothing else of the machine is opened for it.
    if not _REF.fullmatch(ref) or ".." in ref:
        return None
    shared = _line(git / "commondir")
    for folder in (git, git / shared) if shared else (git,):
        found = _line(folder / ref)
        if _SHA.fullmatch(found):
            return found
        if packed := _packed(folder / "packed-refs", ref):
            return packed
    return None


def _git_folder(checkout: Path) -> Path | None:
    git = checkout / ".git"
    if git.is_dir():
        return git
    # A worktree or submodule has a file in its place: "gitdir: <path>".
    named = _line(git)
    if not named.startswith("gitdir:"):
        return None
    folder = checkout / named.removeprefix("gitdir:").strip()
    return folder if folder.is_dir() else None


def _packed(path: Path, ref: str) -> str | None:
    for line in _text(path).splitlines():
        sha, _, name = line.partition(" ")
        if name == ref and _SHA.fullmatch(sha):
            return sha
    return None


def _line(path: Path) -> str:
    return _text(path).partition("\n")[0].strip()


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(_MOST_BYTES).decode("utf-8", errors="replace")
