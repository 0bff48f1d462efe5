"""What the cluster knows of a run's pods: images as they really ran, and why a pod failed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

#: KFP's pods mark their place in the workflow here: WORKFLOW.root.STEP.executor(attempt).
NODE_NAME = "workflows.argoproj.io/node-name"
STEP_LABEL = "gukbap.dev/step"
#: The container with the user's image: of a step (KFP), and of a training node (Kubeflow Trainer).
USER_CONTAINERS = ("main", "node")
_ATTEMPT = re.compile(r"\(\d+\)$")
_DIGEST = re.compile(r"@(sha256:[0-9a-f]{64})$")
#: A container waits for these in the course of things.
_ORDINARY_WAITS = {"ContainerCreating", "PodInitializing"}


@dataclass(frozen=True)
class RunPod:
    """A pod of a run.

    `step` is None for the pods in which Kubeflow Pipelines prepares steps. `digest` is the manifest's
    sha256, None until the image is pulled and for images that no registry has. `reason` is what keeps
    a pod from running or ended it (OOMKilled, Evicted, Error, ImagePullBackOff, Unschedulable, …).
    """

    name: str
    step: str | None
    phase: str
    image: str
    digest: str | None
    reason: str | None
    message: str | None

    @property
    def trouble(self) -> str | None:
        """Reason and message as one text."""
        return f"{self.reason} ({self.message})" if self.reason and self.message else self.reason


def run_pod(pod: Any) -> RunPod:
    """A `V1Pod` as a record."""
    container = _user_container(pod.spec.containers)
    status = next((s for s in pod.status.container_statuses or [] if s.name == container.name), None)
    digest = _DIGEST.search(status.image_id or "") if status else None
    reason, message = _trouble(pod, status)
    return RunPod(
        name=pod.metadata.name,
        step=_step(pod.metadata),
        phase=pod.status.phase or "Unknown",
        image=container.image,
        digest=digest[1] if digest else None,
        reason=reason,
        message=message,
    )


def _user_container(containers: Any) -> Any:
    return next((c for c in containers if c.name in USER_CONTAINERS), containers[0])


def _step(metadata: Any) -> str | None:
    if label := (metadata.labels or {}).get(STEP_LABEL):
        return str(label)
    *path, last = (metadata.annotations or {}).get(NODE_NAME, "").split(".")
    if _ATTEMPT.sub("", last) != "executor" or not path:
        return None
    return _ATTEMPT.sub("", path[-1])


def _trouble(pod: Any, status: Any) -> tuple[str | None, str | None]:
    # The kubelet's own verdict on the whole pod: Evicted, DeadlineExceeded, NodeLost, Preempting.
    if pod.status.reason:
        return pod.status.reason, pod.status.message
    statuses = [*(pod.status.init_container_statuses or []), *([status] if status else [])]
    for one in statuses:
        if found := _container_trouble(one):
            return found
    return _unscheduled(pod)


def _container_trouble(status: Any) -> tuple[str | None, str | None] | None:
    ended = _failed_end(status.state) or _failed_end(status.last_state)
    if ended and not (status.state and status.state.running):
        words = [f"exit code {ended.exit_code}", (ended.message or "").strip()]
        return ended.reason or "Error", ": ".join(word for word in words if word)
    waiting = status.state.waiting if status.state else None
    if waiting and waiting.reason not in _ORDINARY_WAITS:
        return waiting.reason, waiting.message
    return None


def _failed_end(state: Any) -> Any:
    ended = state.terminated if state else None
    return ended if ended and ended.exit_code else None


def _unscheduled(pod: Any) -> tuple[str | None, str | None]:
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            return condition.reason, condition.message
    return None, None
