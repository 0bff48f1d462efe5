"""Whether the steps' images can be pulled: asked of the registry, else told by what pods have met."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

from gukbap.adapters.cluster_checks.registry import credentials, image_name, look_for
from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding, not_checked
from gukbap.adapters.kubernetes_errors import ClusterUnreachableError, MissingRightError
from gukbap.adapters.kubernetes_pods import run_pod

_PULL_TROUBLES = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull")
_KINDS = {"kubernetes.io/dockerconfigjson": ".dockerconfigjson", "kubernetes.io/dockercfg": ".dockercfg"}


def check_images(subject: Subject) -> Iterator[Finding]:
    """One finding an image."""
    config, troubles = _docker_config(subject), _pull_troubles(subject)
    for reference in subject.images:
        yield _check(reference, config, troubles)


def _check(reference: str, config: Mapping[str, Any], troubles: Mapping[str, str]) -> Finding:
    from urllib3.exceptions import HTTPError

    name, image = f"image {reference}", image_name(reference)
    if reference in troubles:
        fix = "push it (`make images`), and check cluster.image_pull_secret"
        return Finding(name, "problem", f"pods cannot pull it: {troubles[reference]}", fix)
    try:
        answer = look_for(image, credentials(config, image.registry))
    except (HTTPError, ValueError, KeyError) as error:
        because = f"{image.registry} does not answer from here as a registry ({type(error).__name__})"
        return not_checked(name, because, "see that the cluster's nodes reach it, or push the image there")
    if answer == "there":
        return Finding(name, "ok", f"{image.registry} has it")
    if answer == "missing":
        fix = "`make images`, and push it there; GUKBAP_IMAGE_REPOSITORY names your registry"
        return Finding(name, "problem", f"{image.registry} has no {image.repository}:{image.tag}", fix)
    fix = "see that cluster.image_pull_secret has an account that may read it, and that it was pushed there"
    return Finding(name, "problem", f"{image.registry} refuses to show it", fix)


def _docker_config(subject: Subject) -> dict[str, Any]:
    """The pull secret's content; it is shown to its own registry alone."""
    from kubernetes.client import CoreV1Api

    name = subject.recipe.cluster.image_pull_secret
    if name is None:
        return {}
    core = CoreV1Api(subject.cluster.client)
    try:
        secret = subject.named(core.read_namespaced_secret, "secret", name)
        key = _KINDS.get(secret.type, "") if secret else ""
        if secret is None or key not in (secret.data or {}):
            return {}
        return dict(json.loads(base64.b64decode(secret.data[key])))
    except (MissingRightError, ClusterUnreachableError, ValueError):
        return {}  # the finding on the pull secret tells it


def _pull_troubles(subject: Subject) -> dict[str, str]:
    """Image → what a pod of the namespace says that could not pull it."""
    from kubernetes.client import CoreV1Api

    listing = CoreV1Api(subject.cluster.client).list_namespaced_pod
    try:
        listed = subject.ask(listing, f"list the pods of {subject.namespace}", subject.namespace)
    except MissingRightError:
        return {}
    pods = [run_pod(pod) for pod in (listed.items if listed else [])]
    return {pod.image: pod.trouble or "" for pod in pods if pod.reason in _PULL_TROUBLES}
