"""TrainJobs in the cluster: make one, look at it, read its nodes' words, remove it.

Rights that it needs in its namespace: `create`, `get`, `delete` trainjobs (trainer.kubeflow.org),
`list` pods, and, for the nodes' words alone, `get` pods/log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from gukbap.adapters.kubernetes_cluster import TRAIN_JOB_API, TRAIN_JOBS, KubernetesCluster
from gukbap.adapters.kubernetes_errors import (
    REQUEST_SECONDS,
    ClusterRefusalError,
    explained_refusals,
    found_or_none,
)
from gukbap.adapters.kubernetes_pods import RunPod
from gukbap.adapters.train_job import JOB_LABEL, NODE
from gukbap.errors import GukbapError

#: Kubernetes marks the pods of an indexed job with their number; 0 is the first node.
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"
Condition = Literal["Complete", "Failed", "Suspended"]
_CONDITIONS: tuple[Condition, ...] = ("Failed", "Complete", "Suspended")


@dataclass(frozen=True)
class TrainJobState:
    """A TrainJob as it is now.

    `condition` is None while it is waiting or running; `going` says that it is being deleted.
    """

    name: str
    going: bool
    condition: Condition | None
    reason: str
    message: str


class TrainJobs:
    """The TrainJobs of a namespace."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        from kubernetes.client import CustomObjectsApi

        self._cluster = cluster
        self._api = CustomObjectsApi(cluster.client)
        self._where = (*TRAIN_JOB_API, cluster.namespace, TRAIN_JOBS)

    def create(self, manifest: Mapping[str, Any]) -> bool:
        """Make a TrainJob; False where one of that name is there.

        Raises:
            MissingRightError: the service account may not create TrainJobs.
            GukbapError: the cluster has no Kubeflow Trainer, or it refuses the TrainJob.
        """
        name = manifest["metadata"]["name"]
        try:
            with explained_refusals(f"create the TrainJob {name}"):
                self._api.create_namespaced_custom_object(
                    *self._where, dict(manifest), _request_timeout=REQUEST_SECONDS
                )
        except ClusterRefusalError as error:
            if error.status == 409:
                return False
            if error.status == 404:
                raise GukbapError(
                    "this cluster knows no TrainJob (trainer.kubeflow.org/v1alpha1)",
                    expected="Kubeflow Trainer 2.2 or newer",
                    fix="install it, or set cluster.trainer=pod",
                ) from error
            raise
        return True

    def find(self, name: str) -> TrainJobState | None:
        """The TrainJob of that name, or None."""
        found = found_or_none(
            lambda: self._api.get_namespaced_custom_object(
                *self._where, name, _request_timeout=REQUEST_SECONDS
            ),
            f"read the TrainJob {name}",
        )
        return _state(found) if found else None

    def remove(self, name: str) -> None:
        """Delete a TrainJob with its pods, if it is there. Its name is free when the last pod is gone:
        foreground deletion keeps the TrainJob until then."""
        found_or_none(
            lambda: self._api.delete_namespaced_custom_object(
                *self._where, name, propagation_policy="Foreground", _request_timeout=REQUEST_SECONDS
            ),
            f"delete the TrainJob {name}",
        )

    def pods(self, name: str) -> list[RunPod]:
        """The pods of its nodes, the oldest first."""
        return self._cluster.pods(f"{JOB_LABEL}={name}")

    def first_node(self, name: str) -> RunPod | None:
        """The newest pod of its first node, where progress is printed."""
        pods = self._cluster.pods(f"{JOB_LABEL}={name},{INDEX_LABEL}=0")
        return pods[-1] if pods else None

    def log(self, pod: str, lines: int, *, timestamps: bool = False) -> list[str]:
        """The last lines that a node has printed; none where it has not started or is gone.

        Raises:
            MissingRightError: the service account may not read logs.
        """
        from kubernetes.client import CoreV1Api

        try:
            with explained_refusals(f"read the log of {pod}"):
                text = CoreV1Api(self._cluster.client).read_namespaced_pod_log(
                    pod,
                    self._cluster.namespace,
                    container=NODE,
                    tail_lines=lines,
                    timestamps=timestamps,
                    _request_timeout=REQUEST_SECONDS,
                )
        except ClusterRefusalError as error:
            # 400: the container has not started yet. 404: the pod is gone.
            if error.status in (400, 404):
                return []
            raise
        return str(text or "").splitlines()


def _state(job: Mapping[str, Any]) -> TrainJobState:
    conditions = {one["type"]: one for one in job.get("status", {}).get("conditions", [])}
    name, going = job["metadata"]["name"], "deletionTimestamp" in job["metadata"]
    for kind in _CONDITIONS:
        one = conditions.get(kind, {})
        if one.get("status") == "True":
            return TrainJobState(name, going, kind, one.get("reason", ""), one.get("message", ""))
    return TrainJobState(name, going, None, "", "")
