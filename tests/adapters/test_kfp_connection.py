"""Reaching the API: endpoints, tokens that rotate and stay secret, one clear error for each trouble."""

from __future__ import annotations

import http.server
import shutil
import socket
import ssl
import subprocess
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gukbap.adapters.kfp import connect, list_runs
from gukbap.adapters.kfp import connection as connections
from gukbap.adapters.kfp.errors import AccessError, MissingError, NotKfpError, UnreachableError
from gukbap.adapters.kfp.pipelines import need_pipeline, project_pipelines
from gukbap.adapters.kfp.tokens import TOKEN_PATH_VARIABLE
from gukbap.errors import ClusterError, GukbapError, UsageError
from tests.adapters.kfp_helpers import SaidProgress
from tests.kfp_server import kfp_server
from tests.kfp_server_state import KfpServer

TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXRva2Vu.c2ln"


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KF_PIPELINES_ENDPOINT", "KUBERNETES_SERVICE_HOST", TOKEN_PATH_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server() as server:
        yield server


@contextmanager
def plain_server(status: int, body: bytes, headers: dict[str, str], tls: Path | None = None) -> Iterator[str]:
    """Any web server that is not KFP's."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "cert.pem", tls / "key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_endpoint_comes_from_the_option_then_the_environment_then_the_cluster(
    kfp: KfpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="no Kubeflow Pipelines endpoint is known"):
        connect()
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setattr(connections, "IN_CLUSTER", kfp.url)
    assert connect().endpoint == kfp.url
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(UnreachableError, match="cannot be reached"):
        connect()
    assert connect(f"{kfp.url}/#/pipelines").endpoint == kfp.url


@pytest.mark.parametrize("address", ["localhost:8888", "ftp://host", "http://", "ml-pipeline"])
def test_an_endpoint_that_is_no_web_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="is no web address"):
        connect(address)


def test_the_user_s_own_kfp_settings_are_left_alone(
    kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    project_pipelines(connect(kfp.url))
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_a_token_is_read_anew_for_each_request(kfp: KfpServer, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    kfp.token = TOKEN
    connection = connect(kfp.url, file)
    project_pipelines(connection)
    kfp.token = "the-next-token"
    file.write_text("the-next-token")
    project_pipelines(connection)
    assert set(kfp.seen_tokens[:2]) == {f"Bearer {TOKEN}"}
    assert kfp.seen_tokens[-1] == "Bearer the-next-token"


def test_the_projected_token_is_used(kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "projected").write_text(TOKEN)
    monkeypatch.setenv(TOKEN_PATH_VARIABLE, str(tmp_path / "projected"))
    kfp.token = TOKEN
    connect(kfp.url)
    assert kfp.seen_tokens == [f"Bearer {TOKEN}"]


def test_without_a_token_none_is_sent(kfp: KfpServer) -> None:
    connect(kfp.url)
    assert kfp.seen_tokens == [""]


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"two words", f"{TOKEN}\nX-Evil: {TOKEN}".encode(), b"\xff\xfe"]
)
def test_a_malformed_token_is_refused_without_showing_it(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(UsageError, match="holds no bearer token") as caught:
        connect("http://127.0.0.1:1", tmp_path / "token")
    assert TOKEN not in "".join(traceback.format_exception(caught.value))


def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none cannot be read: No such file"):
        connect("http://127.0.0.1:1", tmp_path / "none")


def test_a_refused_token_is_one_error_that_hides_it(kfp: KfpServer, tmp_path: Path) -> None:
    """The server repeats the token in its answer, as a chatty gateway may."""
    (tmp_path / "token").write_text(TOKEN)
    kfp.token = "another"
    with pytest.raises(AccessError, match="asks for a valid token") as caught:
        connect(kfp.url, tmp_path / "token")
    assert "--token-file" in str(caught.value)
    kfp.token = None
    connection = connect(kfp.url, tmp_path / "token")
    kfp.forbidden = True
    with pytest.raises(
        AccessError, match="does not allow to list pipelines: User is not authorized"
    ) as refused:
        project_pipelines(connection)
    for error in (caught.value, refused.value):
        assert TOKEN not in "".join(traceback.format_exception(error)) + repr(error.__dict__)
        assert error.__cause__ is None
    assert TOKEN not in connection.hide(f"Bearer {TOKEN}")


def test_no_wait_for_an_api_that_refuses(kfp: KfpServer) -> None:
    kfp.forbidden = True
    with pytest.raises(AccessError):
        connect(kfp.url, wait=60)
    assert len(kfp.requests) == 1


def test_an_api_that_is_still_starting_is_waited_for(kfp: KfpServer) -> None:
    kfp.down = True
    kfp.on_request = lambda _: setattr(kfp, "down", len(kfp.requests) < 3)
    progress = SaidProgress()
    connect(kfp.url, wait=60, progress=progress)
    assert len(kfp.requests) == 3
    assert len(progress.lines) == 2
    assert progress.lines[0].startswith(f"waiting for Kubeflow Pipelines at {kfp.url}")


def test_the_wait_ends(kfp: KfpServer) -> None:
    kfp.down = True
    begin = time.monotonic()
    with pytest.raises(UnreachableError, match="is not ready"):
        connect(kfp.url, wait=0.3)
    assert time.monotonic() - begin >= 0.3
    with pytest.raises(UnreachableError, match="cannot be reached"):
        connect(f"http://127.0.0.1:{free_port()}", wait=0.2)


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, b"<html>welcome</html>", {"Content-Type": "text/html"}),
        (200, b'"ok"', {"Content-Type": "application/json"}),
        (404, b"not found", {"Content-Type": "text/plain"}),
        (404, b"\xff\xfe", {"Content-Type": "application/octet-stream"}),
        (500, b"<html>oops</html>", {"Content-Type": "text/html"}),
        (404, b'{"detail": "Not Found"}', {"Content-Type": "application/json"}),
    ],
)
def test_another_server_is_told_apart(status: int, body: bytes, headers: dict[str, str]) -> None:
    with plain_server(status, body, headers) as url, pytest.raises(NotKfpError, match="is not the Kubeflow"):
        connect(url)


def test_a_page_instead_of_a_list_is_no_kfp(kfp: KfpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect(kfp.url)
    monkeypatch.setattr(kfp, "answer", lambda *_: "<html>log in</html>")
    with pytest.raises(NotKfpError):
        project_pipelines(connection)


def test_a_redirect_to_a_login_page_is_not_followed() -> None:
    with plain_server(302, b"", {"Location": "https://login.example"}) as url:  # noqa: SIM117
        with pytest.raises(AccessError, match="redirects to a log-in page"):
            connect(url)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make a certificate")
def test_an_untrusted_certificate_is_named(tmp_path: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    with plain_server(200, b"{}", {}, tls=tmp_path) as url:
        with pytest.raises(ClusterError, match="no trusted TLS connection") as caught:
            connect(url, wait=30)
        assert "SSL_CERT_FILE" in str(caught.value)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
            assert connect(url).endpoint == url


def test_http_spoken_to_a_tls_port_and_back(kfp: KfpServer) -> None:
    with pytest.raises(ClusterError, match="no trusted TLS connection"):
        connect(kfp.url.replace("http:", "https:"))


def test_a_password_in_the_endpoint_is_hidden() -> None:
    password = "-".join(["pass", "word", "1"])  # in pieces, since a traceback shows this file's lines
    with pytest.raises(UnreachableError) as caught:
        connect(f"http://ann:{password}@127.0.0.1:{free_port()}")
    assert password not in "".join(traceback.format_exception(caught.value))


def test_a_missing_pipeline_says_what_to_do(kfp: KfpServer) -> None:
    connection = connect(kfp.url)
    with pytest.raises(ClusterError, match="gukbap-smoke is not registered") as caught:
        need_pipeline(connection, "smoke")
    assert caught.value.fix == "gukbap apply smoke"
    with pytest.raises(MissingError, match="Run nosuch not found"):
        connection.call("to show a run", connection.runs.run_service_get_run, "nosuch")


def test_several_users_need_a_namespace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with kfp_server(multi_user=True) as kfp:
        with pytest.raises(UsageError, match="no namespace was named"):
            connect(kfp.url)
        assert connect(kfp.url, namespace="ann").namespace == "ann"
        (tmp_path / "namespace").write_text("bob")
        monkeypatch.setattr(connections, "_POD_NAMESPACE", tmp_path / "namespace")
        assert connect(kfp.url).namespace == "bob"


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "TIME_LIMITS", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(UnreachableError):
        connect(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_unknown_fields_are_refused_by_the_contract_server(kfp: KfpServer) -> None:
    """What makes the other tests' requests worth something."""
    connection = connect(kfp.url)
    body = {"display_name": "x", "trigger": {"cron_schedule": {"cron": "0 0 18 * * 0", "zone": "KST"}}}
    with pytest.raises(GukbapError, match='unknown field "zone"'):
        connection.call(
            "to create", connection.recurring_runs.recurring_run_service_create_recurring_run, body
        )
    assert list_runs(connection) == []
