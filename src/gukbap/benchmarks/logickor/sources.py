"""Where LogicKor's files come from: a checkout, an archive, or a commit on GitHub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gukbap.benchmarks.logickor.archives import MOST_FILE_BYTES, Unpacked, read_archive, too_large
from gukbap.benchmarks.logickor.checks import QUESTIONS, TEMPLATES
from gukbap.benchmarks.logickor.git_head import head_commit
from gukbap.benchmarks.logickor.github import GITHUB, Commit, download, parse_github
from gukbap.errors import InputError


@dataclass(frozen=True)
class Upstream:
    """Upstream's files as they came, and from where."""

    source: str
    commit: str | None
    #: name → bytes, of those wanted files that are there
    files: dict[str, bytes]
    #: wanted file → why it is there and cannot be used
    unusable: dict[str, str]
    #: what is wrong with the source as a whole
    problems: list[str]
    notes: list[str]


def read_source(source: str, github_url: str = GITHUB) -> Upstream:
    """The wanted files of a source.

    Args:
        source: a folder, a .zip, .tar or .tar.gz archive, or a commit on GitHub (see `parse_github`).
        github_url: where GitHub is; another one is for tests alone.

    Raises:
        InputError: there is no such source, or it cannot be read.
        EndpointError: GitHub does not give the archive.
    """
    if "://" not in source:
        path = Path(source).expanduser()
        try:
            if path.is_dir():
                return _checkout(source, path)
            if path.is_file():
                return _archive(source, read_archive(path))
        except OSError as error:
            raise InputError(f"{source} cannot be read ({error.strerror})", fix="check its rights") from error
    commit = parse_github(source)
    if commit is not None:
        return _github(commit, github_url)
    raise InputError(
        f"there is no {source}",
        expected=f"a LogicKor checkout, an archive of one, {GITHUB}/OWNER/REPO/tree/SHA or OWNER/REPO@SHA",
        fix="check the path; a repository is given with the full SHA of a commit",
    )


def _checkout(source: str, folder: Path) -> Upstream:
    files: dict[str, bytes] = {}
    unusable = {}
    for name in (QUESTIONS, TEMPLATES):
        path = folder / name
        if not path.is_file():
            continue
        if path.stat().st_size > MOST_FILE_BYTES:
            unusable[name] = too_large(name)
        else:
            files[name] = path.read_bytes()
    commit = head_commit(folder)
    note = (
        "the commit is the checkout's HEAD; whether its files were edited since was not looked at"
        if commit
        else "the folder does not say which commit it is"
    )
    return Upstream(source, commit, files, unusable, [], [note])


def _archive(source: str, unpacked: Unpacked) -> Upstream:
    notes = [] if unpacked.commit else ["the archive does not say which commit it is"]
    return Upstream(source, unpacked.commit, unpacked.files, unpacked.unusable, unpacked.problems, notes)


def _github(commit: Commit, github_url: str) -> Upstream:
    with tempfile.TemporaryDirectory(prefix="gukbap-") as folder:
        archive = Path(folder) / f"{commit.repo}-{commit.sha}.zip"
        download(commit, archive, github_url)
        unpacked = read_archive(archive)
    problems = list(unpacked.problems)
    if unpacked.commit not in (None, commit.sha):
        problems.append(f"the archive that came is of commit {unpacked.commit}, not {commit.sha}")
    return Upstream(commit.source, commit.sha, unpacked.files, unpacked.unusable, problems, [])
