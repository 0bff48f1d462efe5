"""The cluster that a step runs in: the pods of a run, and what a run has to leave behind clean.

Rights that it needs in its namespace: `get` and `list` pods; `list` and `delete` trainjobs
(trainer.kubeflow.org), deployments (apps), services and jobs (batch).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from gukbap.adapters.kubernetes_errors import (
    REQUEST_SECONDS,
    MissingRightError,
    explained_refusals,
    found_or_none,
)
from gukbap.adapters.kubernetes_pods import RunPod, run_pod
from gukbap.errors import GukbapError, UsageError

#: Kubeflow Pipelines puts it on the pods of a run.
KFP_RUN_LABEL = "pipeline/runid"
#: This project puts it on whatever else it starts for a run.
RUN_LABEL = "gukbap.dev/run"
TRAIN_JOB_API = ("trainer.kubeflow.org", "v1alpha1")
TRAIN_JOBS = "trainjobs"
IN_CLUSTER = "KUBERNETES_SERVICE_HOST"
NAMESPACE = "POD_NAMESPACE"
_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Owner:
    """What the garbage collector takes as an object's owner: when it goes, the object goes."""

    api_version: str
    kind: str
    name: str
    uid: str


@dataclass(frozen=True)
class OwnPod:
    """The pod of this process: its service account, and the workflow it belongs to."""

    service_account: str | None
    owner: Owner | None


class KubernetesCluster:
    """One namespace of a cluster, through the official client.

    Args:
        client: a `kubernetes.client.ApiClient`.
        namespace: where the run's objects are.
    """

    def __init__(self, client: Any, namespace: str) -> None:
        self.client, self.namespace = client, namespace

    def pods_of_run(self, run_id: str) -> list[RunPod]:
        """The run's pods: its steps', and those of what a step has started; by name.

        Raises:
            MissingRightError: the service account may not list pods.
            ClusterUnreachableError: the API server does not answer.
        """
        found: dict[str, RunPod] = {}
        for label in (KFP_RUN_LABEL, RUN_LABEL):
            found |= {pod.name: pod for pod in self.pods(f"{label}={run_id}")}
        return [found[name] for name in sorted(found)]

    def pods(self, selector: str) -> list[RunPod]:
        """The pods with these labels, the oldest first."""
        from kubernetes.client import CoreV1Api

        with explained_refusals(f"list the pods with {selector}"):
            listed = CoreV1Api(self.client).list_namespaced_pod(
                self.namespace, label_selector=selector, _request_timeout=REQUEST_SECONDS
            )
        pods = sorted(listed.items, key=lambda pod: (str(pod.metadata.creation_timestamp), pod.metadata.name))
        return [run_pod(pod) for pod in pods]

    def own_pod(self, name: str) -> OwnPod:
        """What the pod called `name` is run as and for."""
        from kubernetes.client import CoreV1Api

        with explained_refusals(f"read the pod {name}"):
            pod = CoreV1Api(self.client).read_namespaced_pod(
                name, self.namespace, _request_timeout=REQUEST_SECONDS
            )
        workflow = next((o for o in pod.metadata.owner_references or [] if o.kind == "Workflow"), None)
        owner = Owner(workflow.api_version, workflow.kind, workflow.name, workflow.uid) if workflow else None
        return OwnPod(pod.spec.service_account_name, owner)

    def remove_of_run(self, run_id: str) -> list[str]:
        """Delete what carries the run's label: TrainJobs, Deployments, Services and Jobs.

        Safe to call again: what is gone, and kinds that this cluster does not know, count as removed.

        Returns:
            What this call deleted, as KIND/NAME.

        Raises:
            MissingRightError: a right is missing; everything else is deleted all the same.
            ClusterUnreachableError: the API server does not answer.
        """
        removed: list[str] = []
        refusals: list[MissingRightError] = []
        for kind in self._kinds():
            try:
                removed += [f"{kind.name}/{name}" for name in self._remove(kind, f"{RUN_LABEL}={run_id}")]
            except MissingRightError as error:
                refusals.append(error)
        if refusals:
            raise MissingRightError(
                "; ".join(error.problem for error in refusals),
                expected="; ".join(filter(None, (error.expected for error in refusals))),
                fix=refusals[0].fix,
            )
        return removed

    def _remove(self, kind: _Kind, selector: str) -> Iterator[str]:
        names = found_or_none(lambda: kind.names(selector), f"list {kind.name}s of {self.namespace}")
        for name in names or ():
            if found_or_none(partial(kind.delete, name), f"delete the {kind.name} {name}"):
                yield name

    def _kinds(self) -> list[_Kind]:
        from kubernetes.client import AppsV1Api, BatchV1Api, CoreV1Api, CustomObjectsApi

        apps, batch, core = AppsV1Api(self.client), BatchV1Api(self.client), CoreV1Api(self.client)
        custom, where = CustomObjectsApi(self.client), (*TRAIN_JOB_API, self.namespace, TRAIN_JOBS)
        space = self.namespace

        def named(listed: Any) -> list[str]:
            if isinstance(listed, dict):
                return [item["metadata"]["name"] for item in listed["items"]]
            return [item.metadata.name for item in listed.items]

        def kind(name: str, lists: Callable[..., Any], deletes: Callable[..., Any], policy: str) -> _Kind:
            times = {"_request_timeout": REQUEST_SECONDS}
            return _Kind(
                name,
                lambda selector: named(lists(label_selector=selector, **times)),
                lambda one: deletes(one, propagation_policy=policy, **times),
            )

        return [
            # Foreground: the name is free again only when no pod writes checkpoints any more.
            kind(
                "trainjob",
                lambda **given: custom.list_namespaced_custom_object(*where, **given),
                lambda name, **given: custom.delete_namespaced_custom_object(*where, name, **given),
                "Foreground",
            ),
            # Background has to be said: without it a Job's pods are orphaned, and run on.
            kind(
                "job",
                lambda **given: batch.list_namespaced_job(space, **given),
                lambda name, **given: batch.delete_namespaced_job(name, space, **given),
                "Background",
            ),
            kind(
                "deployment",
                lambda **given: apps.list_namespaced_deployment(space, **given),
                lambda name, **given: apps.delete_namespaced_deployment(name, space, **given),
                "Background",
            ),
            kind(
                "service",
                lambda **given: core.list_namespaced_service(space, **given),
                lambda name, **given: core.delete_namespaced_service(name, space, **given),
                "Background",
            ),
        ]


@dataclass(frozen=True)
class _Kind:
    name: str
    #: names of the objects with these labels
    names: Callable[[str], list[str]]
    delete: Callable[[str], Any]


def open_cluster(client: Any = None, namespace: str | None = None) -> KubernetesCluster | None:
    """The cluster this process runs in, or the one behind `client`; None outside of a cluster."""
    if client is None:
        if IN_CLUSTER not in os.environ:
            return None
        from kubernetes import client as api
        from kubernetes import config

        configuration = api.Configuration()
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException as error:
            raise GukbapError(
                f"this pod has no service account ({error})",
                expected="a mounted service account token",
                fix="do not switch automountServiceAccountToken off for this pod",
            ) from error
        client = api.ApiClient(configuration)
    return KubernetesCluster(client, namespace or own_namespace())


def kubeconfig_cluster(context: str | None = None, namespace: str | None = None) -> KubernetesCluster:
    """The cluster of the kubeconfig (KUBECONFIG, else ~/.kube/config), for a person at a terminal.

    Raises:
        UsageError: there is none, or it has no such context.
    """
    from kubernetes import config

    try:
        client = config.new_client_from_config(context=context)
        contexts, active = config.list_kube_config_contexts()
    except config.ConfigException as error:
        raise UsageError(
            f"the kubeconfig cannot be used ({error})",
            expected="a kubeconfig with that context",
            fix="check `kubectl config get-contexts`",
        ) from error
    chosen = next((c for c in contexts if c["name"] == context), active)
    return KubernetesCluster(client, namespace or chosen["context"].get("namespace", "default"))


def own_namespace() -> str:
    """The namespace of this process's pod: POD_NAMESPACE, else the service account's file.

    Raises:
        GukbapError: neither is there.
    """
    if name := os.environ.get(NAMESPACE):
        return name
    try:
        return _NAMESPACE_FILE.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise GukbapError(
            f"the namespace is not known: no {NAMESPACE}, and no {_NAMESPACE_FILE}",
            fix=f"set {NAMESPACE}",
        ) from error
