"""Commits on GitHub: which references are pinned, and a download from a real server on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gukbap.benchmarks.logickor import github, import_logickor
from gukbap.benchmarks.logickor.github import Commit, parse_github
from gukbap.errors import EndpointError, GukbapError, InputError
from tests.benchmarks.logickor.upstream import OTHER_SHA, SHA, below, zipped

ARCHIVE = f"/owner/repo/archive/{SHA}.zip"


@pytest.mark.parametrize(
    "source",
    [
        f"owner/repo@{SHA}",
        f"owner/repo@{SHA.upper()}",
        f"https://github.com/owner/repo/tree/{SHA}",
        f"https://github.com/owner/repo/tree/{SHA}/",
        f"https://github.com/owner/repo/commit/{SHA}",
        f"https://github.com/owner/repo/archive/{SHA}.zip",
        f"https://github.com/owner/repo/archive/{SHA}.tar.gz",
        f"https://github.com/owner/repo@{SHA}",
        f"https://github.com/owner/repo.git@{SHA}",
        f"https://www.github.com/owner/repo/tree/{SHA}?tab=readme#top",
        f"https://user:secret@github.com/owner/repo/tree/{SHA}",
    ],
)
def test_a_pinned_reference_is_understood_and_loses_its_credentials(source: str) -> None:
    commit = parse_github(source)
    assert commit == Commit("owner", "repo", SHA)
    assert commit.source == f"https://github.com/owner/repo/tree/{SHA}"


@pytest.mark.parametrize(
    "source",
    [
        "https://github.com/owner/repo",
        "https://github.com/owner/repo.git",
        "https://github.com/owner/repo/tree/main",
        "https://github.com/owner/repo/archive/refs/heads/main.zip",
        f"https://github.com/owner/repo/tree/{SHA[:12]}",
        f"https://user:secret@github.com/owner/repo/tree/{SHA}/folder",
        "owner/repo@main",
        f"owner/repo@{SHA[:39]}",
    ],
)
def test_an_unpinned_reference_is_refused_with_the_way_to_pin(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not pinned") as caught:
        import_logickor(source, tmp_path / "pack")
    assert "git ls-remote https://github.com/owner/repo HEAD" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (f"http://github.com/owner/repo/tree/{SHA}", "http://github.com cannot be imported from"),
        (f"https://example.org/owner/repo/tree/{SHA}", "example.org cannot be imported from"),
        (f"https://github.com.example.org/owner/repo/tree/{SHA}", "cannot be imported from"),
        ("git@github.com:owner/repo.git", "over SSH"),
        ("https://github.com/owner", "not the root of a repository"),
        ("owner/repo", "there is no owner/repo"),
        ("nosuch.zip", "there is no nosuch.zip"),
    ],
)
def test_another_place_is_refused(source: str, expected: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=expected):
        import_logickor(source, tmp_path / "pack")


@contextmanager
def serving(replies: dict[str, tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """A server on loopback that gives these replies by path (status, headers, body), else 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = replies.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Requests are nothing to tell."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_pinned_commit_is_downloaded_through_a_redirect(tmp_path: Path) -> None:
    body = zipped(below(f"repo-{SHA}"), comment=SHA)
    replies = {
        ARCHIVE: (302, {"Location": "/code"}, b""),
        "/code": (200, {"Content-Length": str(len(body))}, body),
    }
    with serving(replies) as url:
        source = f"https://me:secret@github.com/owner/repo/tree/{SHA}"
        imported = import_logickor(source, tmp_path / "pack", github_url=url)
        again = import_logickor(f"owner/repo@{SHA}", tmp_path / "pack", github_url=url)
    assert imported.written and not again.written
    assert imported.record.commit == SHA
    assert imported.record.source == f"https://github.com/owner/repo/tree/{SHA}"
    assert all("secret" not in path.read_text() for path in (tmp_path / "pack").iterdir())


def failed(tmp_path: Path, replies: dict[str, tuple[int, dict[str, str], bytes]]) -> str:
    """The words with which an import from a server ends; nothing lies there afterwards."""
    with serving(replies) as url, pytest.raises(GukbapError) as caught:
        import_logickor(f"owner/repo@{SHA}", tmp_path / "pack", github_url=url)
    assert not (tmp_path / "pack").exists()
    return str(caught.value)


def test_what_a_server_does_wrong_is_told(tmp_path: Path) -> None:
    good = zipped(below(f"repo-{SHA}"), comment=SHA)
    other = zipped(below(f"repo-{OTHER_SHA}"), comment=OTHER_SHA)
    length = {"Content-Length": str(len(good))}
    assert "answers 404" in failed(tmp_path, {})
    assert "answers 503" in failed(tmp_path, {ARCHIVE: (503, {}, b"")})
    assert "broke off after 100 of" in failed(tmp_path, {ARCHIVE: (200, length, good[:100])})
    assert "is no archive" in failed(tmp_path, {ARCHIVE: (200, {}, b"<html>")})
    assert f"is of commit {OTHER_SHA}" in failed(tmp_path, {ARCHIVE: (200, {}, other)})
    leads_away = {ARCHIVE: (302, {"Location": "ftp://127.0.0.1/x.zip"}, b"")}
    assert "leads to ftp://127.0.0.1/x.zip" in failed(tmp_path, leads_away)


def test_a_download_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "MOST_DOWNLOAD_BYTES", 1 << 20)
    assert "has more than 1 MB" in failed(tmp_path, {ARCHIVE: (200, {}, bytes(2 << 20))})


def test_a_silent_server_and_none_at_all_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "SILENCE_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EndpointError, match=r"cannot be fetched .*timed out"):
            import_logickor(f"owner/repo@{SHA}", tmp_path / "pack", github_url=url)
    with pytest.raises(EndpointError, match="cannot be fetched") as caught:
        import_logickor(f"owner/repo@{SHA}", tmp_path / "pack", github_url=url)
    assert caught.value.exit_code == 1
