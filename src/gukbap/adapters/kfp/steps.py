"""The steps of a run with their states, as a person sees them.

KFP runs a task as three or more nodes of an Argo workflow, and its task_details list these nodes by
display name alone: `train-driver` (resolves inputs, asks the cache), `train` (a DAG of one task) and
`executor` (the pod; with retries a node around `executor(0)`, `executor(1)`, …). Task details carry
neither their own pod nor their place in the DAG, so which `executor` belongs to `train` cannot be told
from them. The workflow itself can tell; the API hands it out with a run in its v1beta1 form. So states
come from task_details, and attempts, cached results, pods and messages from the workflow where it is
offered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.errors import may_pass
from gukbap.adapters.kfp.parameters import pipeline_spec
from gukbap.errors import ClusterError

State = Literal["pending", "running", "retrying", "succeeded", "cached", "failed", "skipped", "canceled"]

#: states after which nothing happens to a step
ENDED: frozenset[State] = frozenset({"succeeded", "cached", "failed", "skipped", "canceled"})

_STATES: Mapping[str, State] = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "SKIPPED": "skipped",
    "CANCELED": "canceled",
    "CANCELING": "running",
}
_WORKFLOW = "/apis/v1beta1/runs/{run_id}"


@dataclass(frozen=True)
class Attempt:
    """One pod of a step."""

    pod: str
    phase: str
    message: str


@dataclass(frozen=True)
class Step:
    """A step of a run.

    Attributes:
        task: its name in the pipeline spec.
        name: its display name.
        state: see State.
        attempts: its pods, the first attempt first; empty where the API does not tell.
        message: why it failed, as Argo says it.
    """

    task: str
    name: str
    state: State = "pending"
    attempts: tuple[Attempt, ...] = ()
    message: str = ""

    @property
    def shown(self) -> str:
        """The state with the number of a repeated attempt."""
        return f"{self.state} (attempt {len(self.attempts)})" if len(self.attempts) > 1 else self.state


def read_steps(spec: Mapping[str, Any], run: Any, nodes: Sequence[Mapping[str, Any]] = ()) -> list[Step]:
    """The steps of a run in the order of the spec.

    Args:
        spec: the run's pipeline spec; without one, the steps are guessed from the task details.
        run: kfp_server_api's V2beta1Run.
        nodes: the nodes of the run's Argo workflow, where they are known.
    """
    details = {
        str(task.display_name): task
        for task in (run.run_details.task_details if run.run_details else None) or []
    }
    names = dict(_tasks(pipeline_spec(spec))) or _guessed(details)
    steps = [_from_details(task, name, details) for task, name in names.items()]
    return [_refined(step, nodes) for step in steps] if nodes else steps


def workflow_nodes(connection: Connection, run_id: str) -> list[Mapping[str, Any]]:
    """The nodes of a run's Argo workflow with their pods' names; empty where the API offers none."""
    try:
        answer = connection.get("to show the run's workflow", _WORKFLOW, run_id=run_id)
        manifest = json.loads(answer["pipeline_runtime"]["workflow_manifest"])
        nodes = manifest["status"]["nodes"].values()
    except (KeyError, TypeError, ValueError, AttributeError):
        return []
    except ClusterError as error:
        if may_pass(error):
            raise
        return []  # v1beta1 is deprecated: an API without it still shows states
    return [{**node, "pod": _pod(manifest, node)} for node in nodes]


def _tasks(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Task → display name of all tasks that run a container, nested DAGs (exit handlers, …) included."""
    components = spec.get("components") or {}

    def walk(dag: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for task, details in (dag.get("tasks") or {}).items():
            inner = (components.get((details.get("componentRef") or {}).get("name")) or {}).get("dag")
            if inner:
                yield from walk(inner)
            else:
                yield task, (details.get("taskInfo") or {}).get("name") or task

    yield from walk((spec.get("root") or {}).get("dag") or {})


def _guessed(details: Mapping[str, Any]) -> dict[str, str]:
    drivers = (name.removesuffix("-driver") for name in details if name.endswith("-driver"))
    return {task: task for task in drivers if task != "root" and task in details}


def _from_details(task: str, name: str, details: Mapping[str, Any]) -> Step:
    own, driver = details.get(task), details.get(f"{task}-driver")
    if own is None:
        return Step(task, name, "failed" if driver is not None and driver.state == "FAILED" else "pending")
    # The API fills children alone, with Argo's node ids: pods' names only under POD_NAMES=v1.
    pods = [own.pod_name] if own.pod_name else [child.pod_name for child in own.child_tasks or []]
    attempts = tuple(Attempt(str(pod), str(own.state), "") for pod in pods if pod)
    return Step(task, name, _STATES.get(str(own.state), "pending"), attempts[-1:])


def _refined(step: Step, nodes: Sequence[Mapping[str, Any]]) -> Step:
    # A node's name is its path in the workflow: gukbap-x7k2p.root.exit-handler-1.train.executor(0)
    place = re.compile(rf"\.{re.escape(step.task)}\.executor(\((\d+)\))?$")
    own = [(match, node) for node in nodes if (match := place.search(str(node.get("name", ""))))]
    driver = next((n for n in nodes if str(n.get("name", "")).endswith(f".{step.task}-driver")), None)
    pods = sorted(
        ((int(match[2] or 0), node) for match, node in own if node.get("type") == "Pod"),
        key=lambda pair: pair[0],
    )
    attempts = tuple(
        Attempt(str(n["pod"]), str(n.get("phase", "")), str(n.get("message") or "")) for _, n in pods
    )
    state = step.state
    if state == "succeeded" and not attempts and any(node.get("type") == "Skipped" for _, node in own):
        state = "cached"
    message = ""
    if state == "running" and (not attempts or attempts[-1].phase == "Pending"):
        # A pod that finds no node says so here: "Unschedulable: … Insufficient nvidia.com/gpu".
        state, message = "pending", attempts[-1].message if attempts else ""
    elif state == "running" and len(attempts) > 1:
        state = "retrying"
    if state == "failed":
        failed = [attempt.message for attempt in attempts if attempt.phase in ("Failed", "Error")]
        message = failed[-1] if failed else str((driver or {}).get("message") or "")
    return replace(step, state=state, attempts=attempts, message=message)


def _pod(manifest: Mapping[str, Any], node: Mapping[str, Any]) -> str:
    """A node's pod, as Argo's workflow controller names it (POD_NAMES v2, or v1: the node's id)."""
    meta = manifest.get("metadata") or {}
    workflow, id_ = str(meta.get("name", "")), str(node.get("id", ""))
    form = (meta.get("annotations") or {}).get("workflows.argoproj.io/pod-name-format")
    if form == "v1" or id_ == workflow or ".inline" in str(node.get("name", "")):
        return id_
    return f"{workflow}-{node.get('templateName', '')}-{id_.rsplit('-', 1)[-1]}"
