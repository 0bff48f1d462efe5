"""A commit of a public GitHub repository: which one a reference means, and the download of its archive."""

from __future__ import annotations

import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from gukbap.errors import EndpointError, InputError

GITHUB = "https://github.com"
#: bytes of an archive at most; LogicKor's has 18 MB
MOST_DOWNLOAD_BYTES = 256 << 20
#: seconds without a byte, and seconds in all
SILENCE_SECONDS, DOWNLOAD_SECONDS = 30.0, 900.0
_CHUNK = 1 << 16

_NAME = r"[\w.-]+"
_SHORT = re.compile(rf"(?P<owner>{_NAME})/(?P<repo>{_NAME}?)(?:\.git)?(?:@(?P<pin>\S+))?")
_PATH = re.compile(
    rf"/(?P<owner>{_NAME})/(?P<repo>{_NAME}?)(?:\.git)?"
    r"(?:@(?P<at>[^/]+)|/(?:tree|commit)/(?P<tree>.+?)|/archive/(?P<archive>.+?)\.(?:zip|tar\.gz))?/?"
)
_SHA = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Commit:
    """One commit of one repository."""

    owner: str
    repo: str
    sha: str

    @property
    def source(self) -> str:
        """The page of the commit's files: without credentials, a query or a fragment."""
        return f"{GITHUB}/{self.owner}/{self.repo}/tree/{self.sha}"


def parse_github(source: str) -> Commit | None:
    """The commit that a source names; None where it is no GitHub reference at all.

    Args:
        source: https://github.com/OWNER/REPO/tree/SHA, …/commit/SHA, …/archive/SHA.zip or .tar.gz, or
            OWNER/REPO@SHA.

    Raises:
        InputError: another place or protocol, or no full commit.
    """
    if "://" not in source:
        if source.startswith("git@"):
            raise _elsewhere("a reference over SSH")
        match = _SHORT.fullmatch(source)
        return _pinned(match["owner"], match["repo"], match["pin"]) if match and match["pin"] else None
    parts = urlsplit(source)
    if parts.scheme != "https" or (parts.hostname or "").removeprefix("www.") != "github.com":
        raise _elsewhere(f"{parts.scheme}://{parts.hostname or ''}")
    match = _PATH.fullmatch(parts.path)
    if match is None:
        raise InputError(
            f"{GITHUB}{parts.path} is not the root of a repository at a commit",
            expected=f"{GITHUB}/OWNER/REPO/tree/SHA, or OWNER/REPO@SHA",
        )
    return _pinned(match["owner"], match["repo"], match["at"] or match["tree"] or match["archive"])


def _elsewhere(what: str) -> InputError:
    return InputError(
        f"{what} cannot be imported from",
        expected=f"a folder, an archive, {GITHUB}/OWNER/REPO/tree/SHA, or OWNER/REPO@SHA",
        fix="clone or download it yourself, and give the folder or the archive",
    )


def _pinned(owner: str, repo: str, pin: str | None) -> Commit:
    if pin is None or not _SHA.fullmatch(pin.lower()):
        raise InputError(
            f"{owner}/{repo} is not pinned: "
            + (f"{pin!r} is no full commit" if pin else "no commit is named")
            + ", so what is imported could change from day to day",
            expected=f"{owner}/{repo}@SHA with the 40 hexadecimal digits of a commit",
            fix=f"git ls-remote {GITHUB}/{owner}/{repo} HEAD   prints the newest commit's",
        )
    return Commit(owner, repo, pin.lower())


def download(commit: Commit, target: Path, base_url: str = GITHUB) -> None:
    """Download the zip archive of a commit into `target`.

    Args:
        commit: what to fetch.
        target: the file to write.
        base_url: where GitHub is; another one is for tests alone.

    Raises:
        EndpointError: the server cannot be reached, has no such commit, breaks off, or sends too much.
    """
    url = f"{base_url}/{commit.owner}/{commit.repo}/archive/{commit.sha}.zip"
    request = urllib.request.Request(url, headers={"User-Agent": "gukbap"})  # noqa: S310 - https, or a test's
    with (
        _clear_errors(url),
        _opener(base_url).open(request, timeout=SILENCE_SECONDS) as reply,
        target.open("wb") as file,
    ):
        size = _copy(reply, file, url)
        announced = reply.headers.get("Content-Length", str(size))
    # Reading in parts, http.client does not notice a body that ends early.
    if announced != str(size):
        raise EndpointError(f"{url} broke off after {size} of {announced} bytes", fix="run the import again")


def _copy(reply: Any, file: IO[bytes], url: str) -> int:
    size, deadline = 0, time.monotonic() + DOWNLOAD_SECONDS
    # read1 returns what has come, so that a server that drips cannot outlast the deadline.
    while chunk := reply.read1(_CHUNK):
        size += len(chunk)
        if size > MOST_DOWNLOAD_BYTES:
            raise EndpointError(
                f"{url} has more than {MOST_DOWNLOAD_BYTES >> 20} MB",
                expected="a repository of LogicKor's size",
                fix="make an archive of questions.jsonl and templates.py alone, and give that",
            )
        if time.monotonic() > deadline:
            raise EndpointError(
                f"{url} is not here after {DOWNLOAD_SECONDS:.0f} s",
                fix="download the archive yourself, and give the file",
            )
        file.write(chunk)
    return size


class _SameProtocol(urllib.request.HTTPRedirectHandler):
    """Follows redirects, as GitHub's archives need one, but never from HTTPS to anything weaker."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if urlsplit(newurl).scheme != self._scheme:
            raise EndpointError(f"{req.full_url} leads to {newurl}", expected=f"a redirect to {self._scheme}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener(base_url: str) -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_SameProtocol(urlsplit(base_url).scheme))


@contextmanager
def _clear_errors(url: str) -> Iterator[None]:
    by_hand = "download the archive in a browser or on another machine, and give the file"
    try:
        yield
    except urllib.error.HTTPError as error:
        fix = "check owner, repository and commit" if error.code == 404 else f"try again later, or {by_hand}"
        raise EndpointError(f"{url} answers {error.code} {error.reason}", fix=fix) from error
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error or type(error).__name__
        raise EndpointError(
            f"{url} cannot be fetched ({reason})", fix=f"check the network, or {by_hand}"
        ) from error
