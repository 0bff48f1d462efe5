"""A double of the Kubernetes API server's edge, on loopback, for helm's own client.

It answers discovery and reads of the objects that it is given, and refuses every write with 405: what
helm renders for an upgrade can be seen, an installation cannot.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VERSION = {"major": "1", "minor": "31", "gitVersion": "v1.31.0"}
#: group and version → kinds by plural
KINDS: dict[str, dict[str, str]] = {
    "v1": {
        "configmaps": "ConfigMap",
        "persistentvolumeclaims": "PersistentVolumeClaim",
        "pods": "Pod",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps/v1": {"deployments": "Deployment", "statefulsets": "StatefulSet"},
    "batch/v1": {"jobs": "Job"},
    "networking.k8s.io/v1": {"networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "rbac.authorization.k8s.io/v1": {"roles": "Role", "rolebindings": "RoleBinding"},
}


def _resources(group_version: str) -> dict[str, Any]:
    kinds = KINDS[group_version].items()
    resources = [
        {"name": plural, "singularName": kind.lower(), "namespaced": True, "kind": kind, "verbs": ["get"]}
        for plural, kind in kinds
    ]
    return {"kind": "APIResourceList", "groupVersion": group_version, "resources": resources}


def _groups() -> dict[str, Any]:
    groups = []
    for group_version in KINDS:
        name, _, version = group_version.rpartition("/")
        if name:
            known = {"groupVersion": group_version, "version": version}
            groups.append({"name": name, "versions": [known], "preferredVersion": known})
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


@dataclass
class ApiServer:
    """What the double holds: secrets by namespace and name; and the requests that it saw."""

    kubeconfig: Path
    secrets: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def answer(self, path: str) -> Any:
        """The object under a path; None where there is none."""
        known = {"/version": VERSION, "/api": {"kind": "APIVersions", "versions": ["v1"]}, "/apis": _groups()}
        known |= {f"/{'apis' if '/' in name else 'api'}/{name}": _resources(name) for name in KINDS}
        if path in known:
            return known[path]
        parts = path.strip("/").split("/")
        if parts[:3] == ["api", "v1", "namespaces"] and parts[4:5] == ["secrets"] and len(parts) == 6:
            return self.secrets.get((parts[3], parts[5]))
        return None


class _Handler(BaseHTTPRequestHandler):
    double: ApiServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.double.requests.append(f"GET {path}")
        found = self.double.answer(path)
        self._send(200 if found else 404, found or _status("NotFound", "not found", 404))

    def do_POST(self) -> None:
        self._refuse()

    def do_PUT(self) -> None:
        self._refuse()

    def do_PATCH(self) -> None:
        self._refuse()

    def do_DELETE(self) -> None:
        self._refuse()

    def _refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.double.requests.append(f"{self.command} {self.path}")
        self._send(405, _status("MethodNotAllowed", "this double takes no writes", 405))

    def _send(self, status: int, answer: Any) -> None:
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _status(reason: str, message: str, code: int) -> dict[str, Any]:
    status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    return {**status, "reason": reason, "message": message, "code": code}


@contextmanager
def api_server(folder: Path) -> Iterator[ApiServer]:
    """Run the double, with a kubeconfig in `folder` that names it."""
    double = ApiServer(folder / "kubeconfig")
    handler = type("Handler", (_Handler,), {"double": double})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    address = f"http://127.0.0.1:{server.server_address[1]}"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "double",
        "clusters": [{"name": "double", "cluster": {"server": address}}],
        "users": [{"name": "double", "user": {}}],
        "contexts": [{"name": "double", "context": {"cluster": "double", "user": "double"}}],
    }
    double.kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
