"""A contract server for tests: the part of KFP's v2beta1 REST API that this project calls, on loopback.

It is no KFP: nothing runs. It answers as the swagger (backend/api/v2beta1/swagger) and the Go backend
(backend/src/apiserver) of kubeflow/pipelines say, their awkward ways included: unique names give 409,
recurring runs have no unique names, creation counts in whole seconds, the log route sends errors with
status 200, upload handlers have errors of their own form.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests import kfp_server_rules as rules
from tests.kfp_server_rules import RefusalError, UploadRefusalError
from tests.kfp_server_state import KfpServer


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        kfp, parts = self.server.kfp, urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kfp.requests.append(f"{self.command} {parts.path}")
        kfp.seen_tokens.append(self.headers.get("Authorization", ""))
        if kfp.on_request is not None:
            kfp.on_request(kfp.requests[-1])
        time.sleep(random.uniform(0, kfp.jitter))
        before = len(kfp.writes)
        try:
            self._gate(kfp)
            answer = kfp.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
        except RefusalError as refusal:
            return self._send(rules.STATUS[refusal.code], refusal.body())
        except UploadRefusalError as refusal:
            said = {"error_message": refusal.message, "error_details": refusal.message}
            return self._send(refusal.status, said)
        except KeyError:
            return self._send(404, "404 page not found\n")
        if kfp.die_after is not None and len(kfp.writes) > before:
            kfp.die_after -= 1
            if kfp.die_after <= 0:
                kfp.down = True
                self.close_connection = True
                self.connection.close()
                return None
        return self._send(200, answer)

    def _gate(self, kfp: KfpServer) -> None:
        if kfp.down:
            raise RefusalError(14, "the server is down")
        if kfp.token is not None and self.headers.get("Authorization") != f"Bearer {kfp.token}":
            given = self.headers.get("Authorization", "")
            raise RefusalError(rules.UNAUTHENTICATED, f"Request header error: the token {given} is not valid")
        if kfp.forbidden:
            raise RefusalError(rules.FORBIDDEN, "User is not authorized: no rights in this namespace")

    def _send(self, status: int, answer: Any) -> None:
        text = isinstance(answer, str)
        content = (answer if text else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, kfp: KfpServer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.kfp = kfp

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else the client sees as a broken answer."""


@contextmanager
def kfp_server(*, multi_user: bool = False, ticking: bool = False) -> Iterator[KfpServer]:
    """Run the contract server on a free port of loopback."""
    kfp = KfpServer(multi_user=multi_user, ticking=ticking)
    server = _Server(kfp)
    kfp.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield kfp
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
