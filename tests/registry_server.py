"""A double of an image registry's edge, on loopback: manifests, and tokens where it asks for them."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Registry:
    """`images` is "REPOSITORY:TAG"; with `login` (USER:PASSWORD) a bearer token is asked for."""

    images: set[str] = field(default_factory=set)
    login: str | None = None
    host: str = ""


class _Handler(BaseHTTPRequestHandler):
    registry: Registry

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        repository, _, tag = self.path.removeprefix("/v2/").partition("/manifests/")
        if self.registry.login and self.headers.get("Authorization") != f"Bearer pull-{repository}":
            self.send_response(401)
            realm = f"http://{self.registry.host}/token"
            challenge = f'Bearer realm="{realm}",service="double",scope="repository:{repository}:pull"'
            self.send_header("WWW-Authenticate", challenge)
        else:
            self.send_response(200 if f"{repository}:{tag}" in self.registry.images else 404)
        self.end_headers()

    def do_GET(self) -> None:
        basic = base64.b64encode((self.registry.login or "").encode()).decode()
        allowed = self.headers.get("Authorization") == f"Basic {basic}"
        self.send_response(200 if allowed else 401)
        self.end_headers()
        repository = self.path.rpartition("scope=repository%3A")[2].removesuffix("%3Apull")
        token = f"pull-{repository.replace('%2F', '/')}"
        self.wfile.write(json.dumps({"token": token} if allowed else {}).encode())


@contextmanager
def registry_server() -> Iterator[Registry]:
    """Run the double on a free port of loopback."""
    registry = Registry()
    handler = type("Handler", (_Handler,), {"registry": registry})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        registry.host = f"127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield registry
        server.shutdown()
        thread.join()
