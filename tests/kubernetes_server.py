"""A contract server for the parts of the Kubernetes API that the project calls, on loopback.

It stands for our own edge alone: paths, verbs, label selectors, propagation policies and the shapes and
words of refusals are as the API documents them, and nothing behind them runs. The official client talks
to it over HTTP.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

NAMESPACE = "team-a"
USER = "system:serviceaccount:team-a:pipeline-runner"
_PATH = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/(?P<version>[^/]+))/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[^/]+))?$"
)
#: objects of the whole cluster; a namespace itself is one of them
_CLUSTER_PATH = re.compile(
    r"^/(?:api/v1|apis/(?P<group>[^/]+)/(?P<version>[^/]+))/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?$"
)
REVIEWS = "selfsubjectaccessreviews"
_KINDS = {"pods": "Pod", "services": "Service", "deployments": "Deployment", "jobs": "Job"}
_KINDS |= {"trainjobs": "TrainJob", "nodes": "Node", "storageclasses": "StorageClass"}
Objects = dict[tuple[str, str], dict[str, Any]]


@dataclass
class ContractCluster:
    """What the server holds and has seen.

    `objects` is by plural and name, `logs` by pod. `forbidden` holds "VERB PLURAL" as RBAC refuses it,
    `unknown` plurals that the cluster has no definition of. `failing` is the number of requests that are
    still to be answered with 503. `on_read` is called with each TrainJob before it is read: the part of
    a controller; `on_create` after an object is made. Deleting an object in the foreground keeps it for
    `slow_removals` more reads. Access reviews answer by `forbidden`. `version` is major and minor.
    """

    objects: Objects = field(default_factory=dict)
    logs: dict[str, list[str]] = field(default_factory=dict)
    forbidden: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    policies: dict[str, str | None] = field(default_factory=dict)
    denial: str | None = None
    version: tuple[str, str] = ("1", "31+")
    failing: int = 0
    slow_removals: int = 0
    on_read: Callable[[dict[str, Any]], None] | None = None
    on_create: Callable[[], None] | None = None
    client: Any = None

    def add(self, plural: str, name: str, **parts: Any) -> dict[str, Any]:
        """Put an object there; `labels` go into its metadata."""
        labels, annotations = parts.pop("labels", {}), parts.pop("annotations", {})
        metadata = {"name": name, "namespace": NAMESPACE, "labels": labels, "annotations": annotations}
        self.objects[plural, name] = {"metadata": {**metadata, **parts.pop("metadata", {})}, **parts}
        return self.objects[plural, name]

    def names(self, plural: str) -> list[str]:
        """The names of all objects of a kind."""
        return [name for kind, name in self.objects if kind == plural]

    def counted(self, request: str) -> int:
        """How many requests were "VERB PLURAL"."""
        return self.requests.count(request)


@dataclass(frozen=True)
class _Refusal(Exception):  # noqa: N818 - an answer, not an error of the server
    status: int
    reason: str
    message: str


class _Handler(BaseHTTPRequestHandler):
    cluster: ContractCluster
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer("get")

    def do_POST(self) -> None:
        self._answer("create")

    def do_DELETE(self) -> None:
        self._answer("delete")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _answer(self, verb: str) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else {}
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        try:
            answer = self._result(verb, url.path, query, body)
        except _Refusal as refusal:
            words = {"reason": refusal.reason, "message": refusal.message, "code": refusal.status}
            status = {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Failure", **words}
            return self._send(refusal.status, json.dumps(status), "application/json")
        if isinstance(answer, str):
            return self._send(200, answer, "text/plain")
        return self._send(201 if verb == "create" else 200, json.dumps(answer), "application/json")

    def _send(self, status: int, text: str, kind: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _result(self, verb: str, path: str, query: Mapping[str, str], body: dict[str, Any]) -> Any:
        if path == "/version/":
            return self._version()
        match = _PATH.match(path) or _CLUSTER_PATH.match(path)
        found = match.groupdict() if match else {}
        assert found.get("namespace", NAMESPACE) == NAMESPACE and match, f"not in the contract: {path}"
        plural, name, part = found["plural"], found["name"], found.get("part")
        resource = f"{plural}/{part}" if part else plural
        verb = "list" if verb == "get" and not name else verb
        self.cluster.requests.append(f"{verb} {resource}")
        self._refuse(verb, resource, found["group"] or "", plural)
        if plural == REVIEWS:
            return self._review(body)
        if part == "log":
            return self._log(name, query)
        if verb == "list":
            return self._list(plural, query.get("labelSelector", ""))
        if verb == "create":
            return self._create(plural, body)
        if (plural, name) not in self.cluster.objects:
            raise _Refusal(404, "NotFound", f'{plural} "{name}" not found')
        return self._read(plural, name) if verb == "get" else self._delete(plural, name, query, body)

    def _version(self) -> dict[str, str]:
        self._refuse("get", "version", "", "version")
        major, minor = self.cluster.version
        told = {"major": major, "minor": minor, "gitVersion": f"v{major}.{minor}.0"}
        rest = ("gitCommit", "gitTreeState", "buildDate", "goVersion", "compiler", "platform")
        return told | dict.fromkeys(rest, "-")

    def _review(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = body["spec"]["resourceAttributes"]
        part = f"/{asked['subresource']}" if asked.get("subresource") else ""
        denied = f"{asked['verb']} {asked['resource']}{part}" in self.cluster.forbidden
        return {**body, "status": {"allowed": not denied and asked["namespace"] == NAMESPACE}}

    def _refuse(self, verb: str, resource: str, group: str, plural: str) -> None:
        if self.cluster.failing:
            self.cluster.failing -= 1
            raise _Refusal(503, "ServiceUnavailable", "the server is currently unable to handle the request")
        if f"{verb} {resource}" in self.cluster.forbidden:
            raise _Refusal(
                403,
                "Forbidden",
                f'{plural} is forbidden: User "{USER}" cannot {verb} resource "{resource}" in API group '
                f'"{group}" in the namespace "{NAMESPACE}"',
            )
        if plural in self.cluster.unknown:
            raise _Refusal(404, "NotFound", "the server could not find the requested resource")

    def _list(self, plural: str, selector: str) -> Any:
        wanted = dict(part.split("=", 1) for part in selector.split(",") if part)
        items = [
            deepcopy(one)
            for (kind, _), one in self.cluster.objects.items()
            if kind == plural and wanted.items() <= one["metadata"]["labels"].items()
        ]
        return {"apiVersion": "v1", "kind": f"{_KINDS[plural]}List", "metadata": {}, "items": items}

    def _create(self, plural: str, body: dict[str, Any]) -> Any:
        name = body["metadata"]["name"]
        if self.cluster.denial:
            raise _Refusal(403, "Forbidden", f"admission webhook denied the request: {self.cluster.denial}")
        if (plural, name) in self.cluster.objects:
            raise _Refusal(409, "AlreadyExists", f'{plural} "{name}" already exists')
        self.cluster.objects[plural, name] = deepcopy(body)
        if self.cluster.on_create:
            self.cluster.on_create()
        return body

    def _read(self, plural: str, name: str) -> Any:
        found = self.cluster.objects[plural, name]
        if "deletionTimestamp" in found["metadata"]:
            if not self.cluster.slow_removals:
                del self.cluster.objects[plural, name]
                raise _Refusal(404, "NotFound", f'{plural} "{name}" not found')
            self.cluster.slow_removals -= 1
        elif plural == "trainjobs" and self.cluster.on_read:
            self.cluster.on_read(found)
        return found

    def _delete(self, plural: str, name: str, query: Mapping[str, str], body: dict[str, Any]) -> Any:
        policy = query.get("propagationPolicy") or body.get("propagationPolicy")
        self.cluster.policies[f"{plural}/{name}"] = policy
        if policy == "Foreground" and self.cluster.slow_removals:
            self.cluster.objects[plural, name]["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        else:
            del self.cluster.objects[plural, name]
        return {"apiVersion": "v1", "kind": "Status", "metadata": {}, "status": "Success"}

    def _log(self, name: str, query: Mapping[str, str]) -> str:
        lines = self.cluster.logs.get(name)
        if lines is None:
            raise _Refusal(400, "BadRequest", f'container "node" in pod "{name}" is waiting to start')
        # The API server takes every form of a truth value that Go's ParseBool takes.
        if query.get("timestamps", "").lower() != "true":
            lines = [line.partition(" ")[2] for line in lines]
        return "".join(f"{line}\n" for line in lines[-int(query["tailLines"]) :])


@contextmanager
def contract_cluster() -> Iterator[ContractCluster]:
    """A server on a port of its own, and the official client that talks to it."""
    from kubernetes import client

    cluster = ContractCluster()
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        configuration = client.Configuration()
        configuration.host = f"http://127.0.0.1:{server.server_address[1]}"
        # Proxy settings of the surroundings are not for loopback.
        configuration.proxy = None
        with client.ApiClient(configuration) as cluster.client:
            yield cluster
        server.shutdown()
        thread.join()
