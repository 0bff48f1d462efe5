"""Whether a registry has an image, by its HTTP interface (OCI distribution specification 1.1)."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlencode

_TYPES = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "oci.image.index.v1",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "docker.distribution.manifest.v2",
    )
)
_DEFAULT = "docker.io"
#: what the default registry is called in pull secrets, and where it answers
_DEFAULT_KEYS, _DEFAULT_HOST = ("https://index.docker.io/v1/", "docker.io"), "registry-1.docker.io"
_LOOPBACK = re.compile(r"^(localhost|127\.)")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')

Answer = Literal["there", "missing", "refused"]


@dataclass(frozen=True)
class ImageName:
    """An image reference, taken apart."""

    registry: str
    repository: str
    tag: str


def image_name(reference: str) -> ImageName:
    """Take a reference apart as container runtimes do: a first part with a dot or port is a registry."""
    rest, _, digest = reference.partition("@")
    first, slash, path = rest.partition("/")
    registry = first if slash and ("." in first or ":" in first or first == "localhost") else _DEFAULT
    path = path if registry == first else rest
    repository, colon, tag = path.rpartition(":")
    repository, tag = (repository, tag) if colon else (path, "latest")
    if registry == _DEFAULT and "/" not in repository:
        repository = f"library/{repository}"
    return ImageName(registry, repository, digest or tag)


def credentials(docker_config: Mapping[str, Any], registry: str) -> str | None:
    """The basic credentials (base64 of USER:PASSWORD) that a pull secret has for a registry."""
    auths = docker_config.get("auths", docker_config)
    names = (
        _DEFAULT_KEYS
        if registry == _DEFAULT
        else (registry, f"https://{registry}", f"https://{registry}/v2/")
    )
    for name in names:
        entry = auths.get(name)
        if entry:
            pair = f"{entry.get('username', '')}:{entry.get('password', '')}"
            return str(entry.get("auth") or base64.b64encode(pair.encode()).decode())
    return None


def look_for(image: ImageName, basic: str | None) -> Answer:
    """Ask for an image's manifest, with a token where the registry wants one.

    Raises:
        urllib3.exceptions.HTTPError: the registry does not answer.
        ValueError: it answers as no registry does.
    """
    import urllib3

    scheme = "http" if _LOOPBACK.match(image.registry) else "https"
    host = _DEFAULT_HOST if image.registry == _DEFAULT else image.registry
    url = f"{scheme}://{host}/v2/{image.repository}/manifests/{image.tag}"
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=10)) as pool:
        reply = pool.request("HEAD", url, headers={"Accept": _TYPES}, redirect=False)
        if reply.status == 401:
            authorization = _authorization(pool, reply.headers.get("WWW-Authenticate", ""), basic)
            if authorization is None:
                return "refused"
            headers = {"Accept": _TYPES, "Authorization": authorization}
            reply = pool.request("HEAD", url, headers=headers, redirect=False)
    answers: dict[int, Answer] = {200: "there", 404: "missing", 401: "refused", 403: "refused"}
    if reply.status not in answers:
        raise ValueError(f"HTTP {reply.status}")
    return answers[reply.status]


def _authorization(pool: Any, challenge: str, basic: str | None) -> str | None:
    kind, _, rest = challenge.partition(" ")
    if kind.lower() == "basic":
        return f"Basic {basic}" if basic else None
    values = dict(_CHALLENGE.findall(rest))
    realm = values.pop("realm", "")
    # Credentials go nowhere in the clear, whatever the registry says.
    if not re.match(r"https://|http://(localhost|127\.)", realm):
        return None
    headers = {"Authorization": f"Basic {basic}"} if basic else {}
    reply = pool.request("GET", f"{realm}?{urlencode(values)}", headers=headers, redirect=False)
    if reply.status != 200:
        return None
    answer = json.loads(reply.data)
    return f"Bearer {answer.get('token') or answer['access_token']}"
