"""What is checked, and how the cluster is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from gukbap.adapters.kubernetes_cluster import KubernetesCluster
from gukbap.adapters.kubernetes_errors import found_or_none
from gukbap.config import Recipe

#: how long one request may take, in seconds: to connect, and to answer
CHECK_SECONDS = (5.0, 15.0)


@dataclass(frozen=True)
class Subject:
    """A recipe, and the cluster that is to run it.

    Attributes:
        cluster: through which the API server is asked.
        recipe: with what its steps need.
        images: the references of the images that the steps use.
        environment: variables of the caller: addresses and keys that are at hand here.
        endpoint, token_file, profile: how the Pipelines API is reached, where the caller says so.
    """

    cluster: KubernetesCluster
    recipe: Recipe
    images: tuple[str, ...]
    environment: Mapping[str, str]
    endpoint: str | None = None
    token_file: Path | None = None
    profile: str | None = None

    @property
    def namespace(self) -> str:
        """Where the pipeline's pods run."""
        return self.cluster.namespace

    def ask(self, request: Callable[..., Any], what: str, *arguments: Any) -> Any:
        """What the API server answers; None where there is no such object.

        Raises:
            MissingRightError, ClusterUnreachableError, ClusterRefusalError: see kubernetes_errors.
        """
        return found_or_none(lambda: request(*arguments, _request_timeout=CHECK_SECONDS), what)

    def named(self, request: Callable[..., Any], kind: str, name: str) -> Any:
        """An object of the namespace; None where there is none."""
        return self.ask(request, f"read the {kind} {name}", name, self.namespace)

    @cached_property
    def addresses(self) -> dict[str, str]:
        """The cluster's own addresses of its services: the data of the recipe's ConfigMap."""
        from kubernetes.client import CoreV1Api

        core = CoreV1Api(self.cluster.client)
        found = self.named(core.read_namespaced_config_map, "ConfigMap", self.recipe.cluster.config_map)
        return dict(found.data or {}) if found else {}
