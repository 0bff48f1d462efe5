"""Run the DAG in this process, step by step, and skip what an earlier attempt finished."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gukbap import __version__
from gukbap.files import canonical_json, sha256_text
from gukbap.ports import Progress
from gukbap.runners.dag import Step
from gukbap.runners.run_folder import RunFolder


def run_inprocess(
    steps: Sequence[Step],
    components: Mapping[str, Any],
    folder: RunFolder,
    progress: Progress,
    after_step: Callable[[], None],
) -> None:
    """Take every step; `components` holds the KFP components by their function's name.

    A step is skipped when it ended before with the same inputs and its outputs are there. What a
    component raises is raised here as it is.
    """
    fingerprints: dict[str, str] = {}
    names = {step.key: step.name for step in steps}
    for number, step in enumerate(steps, start=1):
        fingerprint = _fingerprint(step, fingerprints)
        fingerprints[step.key] = fingerprint
        title = f"[{number}/{len(steps)}] {step.name}"
        if _is_done(step, folder, fingerprint):
            progress.say(f"{title}: done before")
            continue
        progress.say(title)
        start = time.monotonic()
        _execute(step, components[step.component], folder, names)
        folder.record_step(
            step.name, fingerprint=fingerprint, seconds=round(time.monotonic() - start, 1), runner="inprocess"
        )
        after_step()


def _fingerprint(step: Step, earlier: Mapping[str, str]) -> str:
    inputs = {name: [earlier[producer], output] for name, (producer, output) in step.inputs.items()}
    return sha256_text(canonical_json([__version__, step.component, dict(step.parameters), inputs]))


def _is_done(step: Step, folder: RunFolder, fingerprint: str) -> bool:
    return folder.step_state(step.name).get("fingerprint") == fingerprint and all(
        folder.place(step.name, output).exists()
        for output, kind in step.outputs.items()
        if kind["schemaTitle"] != "system.Metrics"  # a Metrics artifact is metadata without a file
    )


def _execute(step: Step, component: Any, folder: RunFolder, names: Mapping[str, str]) -> None:
    from kfp.dsl.executor import Executor

    # A folder of an attempt that was cut off would mix with the new one.
    for output in step.outputs:
        place = folder.place(step.name, output)
        if place.is_dir():
            shutil.rmtree(place)
    output_file = folder.work / "executor" / f"{step.name}.json"
    output_file.unlink(missing_ok=True)
    Executor(_executor_input(step, folder, names, output_file), component).execute()


def _executor_input(
    step: Step, folder: RunFolder, names: Mapping[str, str], output_file: Path
) -> dict[str, Any]:
    """KFP's ExecutorInput message (kfp-api, pipeline_spec.proto) of a step."""
    return {
        "inputs": {
            "parameterValues": dict(step.parameters),
            "artifacts": {
                name: _artifact(folder, names[producer], output, {"schemaTitle": "system.Artifact"})
                for name, (producer, output) in step.inputs.items()
            },
        },
        "outputs": {
            "artifacts": {
                name: _artifact(folder, step.name, name, kind) for name, kind in step.outputs.items()
            },
            "outputFile": str(output_file),
        },
    }


def _artifact(folder: RunFolder, step: str, output: str, kind: Mapping[str, str]) -> dict[str, Any]:
    executed = folder.work / "executor" / f"{step}.json"
    metadata: dict[str, Any] = {}
    if executed.exists():
        recorded = json.loads(executed.read_text(encoding="utf-8"))["artifacts"].get(output)
        metadata = recorded["artifacts"][0].get("metadata", {}) if recorded else {}
    return {
        "artifacts": [
            {
                "name": output,
                "type": dict(kind),
                "uri": str(folder.place(step, output)),
                "metadata": metadata,
            }
        ]
    }
