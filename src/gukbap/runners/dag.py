"""A compiled KFP pipeline, read as steps that a runner can take one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any


@dataclass(frozen=True)
class Step:
    """A task of the DAG.

    `name` is its display name (infer-tuned-1-shot), `component` the function's name (infer),
    `key` the compiler's name (infer-5), which is also the name of its folder under kfp.local.
    """

    key: str
    name: str
    component: str
    parameters: Mapping[str, Any]
    #: input artifact → (key of the producing step, its output)
    inputs: Mapping[str, tuple[str, str]]
    #: output artifact → KFP type (schemaTitle, schemaVersion)
    outputs: Mapping[str, Mapping[str, str]]


def read_steps(pipeline_spec: Mapping[str, Any], order: Sequence[str]) -> list[Step]:
    """The steps of a pipeline spec (the IR as a dict), producers before consumers.

    Among steps that could be next, the one whose component stands first in `order` goes first.
    """
    tasks = pipeline_spec["root"]["dag"]["tasks"]
    steps = {key: _read_step(pipeline_spec, key, task) for key, task in tasks.items()}
    sorter = TopologicalSorter({key: task.get("dependentTasks", []) for key, task in tasks.items()})
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


def _read_step(spec: Mapping[str, Any], key: str, task: Mapping[str, Any]) -> Step:
    component = spec["components"][task["componentRef"]["name"]]
    arguments = spec["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
    inputs = task.get("inputs", {})
    return Step(
        key=key,
        name=task["taskInfo"]["name"],
        component=arguments[arguments.index("--function_to_execute") + 1],
        parameters={
            name: value["runtimeValue"]["constant"] for name, value in inputs.get("parameters", {}).items()
        },
        inputs={
            name: (
                value["taskOutputArtifact"]["producerTask"],
                value["taskOutputArtifact"]["outputArtifactKey"],
            )
            for name, value in inputs.get("artifacts", {}).items()
        },
        outputs={
            name: definition["artifactType"]
            for name, definition in component.get("outputDefinitions", {}).get("artifacts", {}).items()
        },
    )
