"""Whether each step finds nodes with what it asks for. What other pods use now is not looked at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gukbap.adapters.cluster_checks.subject import Subject
from gukbap.adapters.findings import Finding
from gukbap.config import Endpoint, Recipe, StepResources, Toleration

_EFFECTS_THAT_KEEP_AWAY = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Ask:
    """What the pods of one kind of step ask of a node; `pods` of them run at one time."""

    step: str
    resources: Mapping[str, str]
    pods: int = 1
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Toleration] = ()

    def __str__(self) -> str:
        return ", ".join(f"{amount} {name}" for name, amount in self.resources.items())


def asks_of(recipe: Recipe) -> list[Ask]:
    """What each kind of step asks for."""
    cluster = recipe.cluster
    kinds = {
        "light": cluster.light,
        "generate": _with_server(cluster.generate, recipe.teacher),
        "clean": cluster.clean,
        "dedup": cluster.dedup,
        "judge": _with_server(cluster.judge, recipe.judge.endpoint),
    }
    asks = [_ask(recipe, name, resources) for name, resources in kinds.items()]
    nodes = cluster.nodes if cluster.trainer == "trainjob" else 1
    return [*asks, _ask(recipe, "train", cluster.train, nodes), _ask(recipe, "infer", cluster.infer)]


def _with_server(resources: StepResources, endpoint: Endpoint) -> StepResources:
    """With the GPUs of the vLLM server that a step starts for its chat model."""
    return resources.model_copy(update={"gpus": endpoint.vllm.gpus}) if endpoint.vllm else resources


def _ask(recipe: Recipe, step: str, resources: StepResources, pods: int = 1) -> Ask:
    amounts = {"cpu": resources.cpu, "memory": resources.memory}
    if not resources.gpus:
        return Ask(step, amounts, pods)
    cluster = recipe.cluster
    amounts[cluster.gpu_resource] = str(resources.gpus)
    return Ask(step, amounts, pods, cluster.gpu_node_selector, cluster.gpu_tolerations)


def check_nodes(subject: Subject) -> Iterator[Finding]:
    """GPUs by node, and for each kind of step the nodes that it fits on."""
    from kubernetes.client import CoreV1Api

    listed = subject.ask(CoreV1Api(subject.cluster.client).list_node, "list the nodes")
    nodes = listed.items if listed else []
    yield _gpus(nodes, subject.recipe)
    for ask in asks_of(subject.recipe):
        yield _fit(ask, nodes)


def _gpus(nodes: Sequence[Any], recipe: Recipe) -> Finding:
    name = recipe.cluster.gpu_resource
    counts = {node.metadata.name: int((node.status.allocatable or {}).get(name, 0)) for node in nodes}
    with_gpus = [f"{node} {count}" for node, count in counts.items() if count]
    if with_gpus:
        return Finding("gpus", "ok", f"allocatable {name}: {', '.join(with_gpus)}")
    if not any(recipe.cluster.gpu_resource in ask.resources for ask in asks_of(recipe)):
        return Finding("gpus", "ok", f"no node has {name}; this recipe needs none")
    fix = "add GPU nodes and their device plugin, or set cluster.gpu_resource to what they offer"
    return Finding("gpus", "problem", f"none of {len(nodes)} nodes has allocatable {name}", fix)


def _fit(ask: Ask, nodes: Sequence[Any]) -> Finding:
    name = f"nodes for {ask.step}"
    reasons = [(node.metadata.name, _hindrance(ask, node)) for node in nodes]
    fitting = [node for node, (_, reason) in zip(nodes, reasons, strict=True) if reason is None]
    room = sum(_room(ask, node) for node in fitting)
    if room >= ask.pods:
        return Finding(name, "ok", f"{len(fitting)} of {len(nodes)} have room for {ask}")
    counted = Counter(reason for _, reason in reasons if reason)
    told = "; ".join(f"{count} {reason}" for reason, count in counted.most_common()) or "there are no nodes"
    wanted = f"{ask.pods} pods with {ask} each" if ask.pods > 1 else str(ask)
    if fitting:
        told = f"there is room for {room}" + (f" ({told})" if counted else "")
    return Finding(
        name,
        "problem",
        f"no room for {wanted}: {told}",
        f"add such nodes, or change cluster.{ask.step}, cluster.gpu_node_selector or "
        "cluster.gpu_tolerations (a pool that grows from zero shows no node now)",
    )


def _hindrance(ask: Ask, node: Any) -> str | None:
    """Why the scheduler would pass a node by; None where it would not."""
    if node.spec.unschedulable:
        return "cordoned"
    ready = {c.type: c.status for c in node.status.conditions or []}.get("Ready")
    if ready != "True":
        return "not ready"
    labels = node.metadata.labels or {}
    for label, value in ask.selector.items():
        if labels.get(label) != value:
            return f"without the label {label}={value}"
    for taint in node.spec.taints or []:
        if taint.effect in _EFFECTS_THAT_KEEP_AWAY and not any(_tolerates(t, taint) for t in ask.tolerations):
            return f"with the taint {taint.key}:{taint.effect}"
    for resource, amount in ask.resources.items():
        if _allocatable(node, resource) < _quantity(amount):
            return f"with less than {amount} {resource}"
    return None


def _tolerates(toleration: Toleration, taint: Any) -> bool:
    if toleration.effect not in (None, taint.effect) or toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.value or "") == (taint.value or "")


def _room(ask: Ask, node: Any) -> int:
    """How many of the step's pods an empty node has room for."""
    return min(int(_allocatable(node, name) // _quantity(amount)) for name, amount in ask.resources.items())


def _allocatable(node: Any, resource: str) -> Decimal:
    return _quantity((node.status.allocatable or {}).get(resource, "0"))


def _quantity(text: str) -> Decimal:
    from kubernetes.utils.quantity import parse_quantity

    return Decimal(parse_quantity(text))
