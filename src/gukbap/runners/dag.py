"""A compiled KFP pipeline, read as steps that a runner can take one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any

METRICS = "system.Metrics"


@dataclass(frozen=True)
class Output:
    """An output parameter of another step."""

    step: str
    name: str


@dataclass(frozen=True)
class FinalStatus:
    """What became of the other steps, for a step that is taken whatever became of them."""


@dataclass(frozen=True)
class Step:
    """A task of the DAG.

    `name` is its display name (judge-tuned-1-shot), `component` the function's name (judge),
    `key` the compiler's name (judge-5), which is also the name of its folder under kfp.local.
    """

    key: str
    name: str
    component: str
    #: input parameter → its value, or where that comes from
    parameters: Mapping[str, Any]
    #: input artifact → (key of the producing step, its output)
    inputs: Mapping[str, tuple[str, str]]
    #: output artifact → KFP type (schemaTitle, schemaVersion)
    outputs: Mapping[str, Mapping[str, str]]
    #: names of output parameters
    output_parameters: tuple[str, ...]
    #: whether work that was done before may be taken as it is
    cacheable: bool
    #: whether it is taken whatever became of the other steps, after them
    always: bool


def read_steps(pipeline_spec: Mapping[str, Any], order: Sequence[str]) -> list[Step]:
    """The steps of a pipeline without parameters (the IR as a dict), producers before consumers.

    The tasks of an exit handler's inner DAG stand beside those around it. Among steps that could be
    next, the one whose component stands first in `order` goes first.
    """
    steps = {}
    needs = {}
    for key, task in _tasks(pipeline_spec, pipeline_spec["root"]["dag"]):
        steps[key] = _read_step(pipeline_spec, key, task)
        needs[key] = task.get("dependentTasks", [])
    plain = [key for key, step in steps.items() if not step.always]
    for key, step in steps.items():
        if step.always:
            needs[key] = plain
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    ready: list[str] = []
    result = []
    while sorter.is_active():
        ready.extend(sorter.get_ready())
        ready.sort(key=lambda key: (order.index(steps[key].component), len(key), key))
        key = ready.pop(0)
        result.append(steps[key])
        sorter.done(key)
    return result


def _tasks(spec: Mapping[str, Any], dag: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, task in dag["tasks"].items():
        component = spec["components"][task["componentRef"]["name"]]
        if "dag" in component:
            yield from _tasks(spec, component["dag"])
        else:
            yield key, task


def _read_step(spec: Mapping[str, Any], key: str, task: Mapping[str, Any]) -> Step:
    component = spec["components"][task["componentRef"]["name"]]
    arguments = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
    inputs = task.get("inputs", {})
    outputs = component.get("outputDefinitions", {})
    return Step(
        key=key,
        name=task["taskInfo"]["name"],
        component=arguments[arguments.index("--function_to_execute") + 1],
        parameters={name: _parameter(value) for name, value in inputs.get("parameters", {}).items()},
        inputs={
            name: (
                value["taskOutputArtifact"]["producerTask"],
                value["taskOutputArtifact"]["outputArtifactKey"],
            )
            for name, value in inputs.get("artifacts", {}).items()
        },
        outputs={
            name: definition["artifactType"] for name, definition in outputs.get("artifacts", {}).items()
        },
        output_parameters=tuple(outputs.get("parameters", {})),
        cacheable=bool(task.get("cachingOptions", {}).get("enableCache")),
        always=task.get("triggerPolicy", {}).get("strategy") == "ALL_UPSTREAM_TASKS_COMPLETED",
    )


def _parameter(value: Mapping[str, Any]) -> Any:
    if "taskOutputParameter" in value:
        source = value["taskOutputParameter"]
        return Output(source["producerTask"], source["outputParameterKey"])
    if "taskFinalStatus" in value:
        return FinalStatus()
    return value["runtimeValue"]["constant"]
