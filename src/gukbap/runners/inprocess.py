"""Run the DAG in this process, step by step, and skip what an earlier attempt finished."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gukbap import __version__
from gukbap.errors import GukbapError
from gukbap.files import canonical_json, read_json, sha256_text
from gukbap.handover import clear_failures
from gukbap.interruption import remembering_interrupts
from gukbap.ports import Progress
from gukbap.runners.dag import METRICS, FinalStatus, Output, Step
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
    component raises is raised here as it is, after the exit step; an interruption is raised at once,
    at the latest after the step that swallowed it.
    """
    clear_failures(folder.work)
    with remembering_interrupts() as check_interrupted:

        def ended() -> None:
            after_step()
            check_interrupted()

        run = _Run(steps, components, folder, progress, ended)
        exits = [step for step in steps if step.always]
        try:
            run.take([step for step in steps if not step.always])
        except Exception as error:
            check_interrupted()
            run.status = {"state": "FAILED", "error": {"code": 1, "message": str(error)}}
            try:
                run.take(exits)
            except GukbapError as second:
                progress.say(f"the exit step failed, too: {second}")
            raise
        run.status = {"state": "SUCCEEDED"}
        run.take(exits)


class _Run:
    def __init__(
        self,
        steps: Sequence[Step],
        components: Mapping[str, Any],
        folder: RunFolder,
        progress: Progress,
        after_step: Callable[[], None],
    ) -> None:
        self._components, self._folder, self._progress = components, folder, progress
        self._after_step = after_step
        self._numbers = {step.key: number for number, step in enumerate(steps, start=1)}
        self._names = {step.key: step.name for step in steps}
        self._fingerprints: dict[str, str] = {}
        #: KFP's PipelineTaskFinalStatus (kfp-api, pipeline_spec.proto), for the exit step
        self.status: dict[str, Any] = {}

    def take(self, steps: Sequence[Step]) -> None:
        """Take steps in their order."""
        for step in steps:
            self._take(step)

    def _take(self, step: Step) -> None:
        title = f"[{self._numbers[step.key]}/{len(self._numbers)}] {step.name}"
        parameters = {name: self._value(value) for name, value in step.parameters.items()}
        fingerprint = self._fingerprint(step, parameters)
        self._fingerprints[step.key] = fingerprint
        if step.cacheable and self._is_done(step, fingerprint):
            self._progress.say(f"{title}: done before")
            return
        self._progress.say(title)
        start = time.monotonic()
        self._execute(step, parameters)
        self._folder.record_step(
            step.name, fingerprint=fingerprint, seconds=round(time.monotonic() - start, 1), runner="inprocess"
        )
        self._after_step()

    def _value(self, value: Any) -> Any:
        if isinstance(value, Output):
            return self._executed(self._names[value.step])["parameterValues"][value.name]
        if isinstance(value, FinalStatus):
            return self.status
        return value

    def _executed(self, step: str) -> dict[str, Any]:
        """What a step's component left: its output parameters and its artifacts' metadata."""
        file = self._folder.work / "executor" / f"{step}.json"
        values: dict[str, Any] = read_json(file) if file.exists() else {}
        return values

    def _fingerprint(self, step: Step, parameters: Mapping[str, Any]) -> str:
        inputs = {
            name: [self._fingerprints[producer], output] for name, (producer, output) in step.inputs.items()
        }
        return sha256_text(canonical_json([__version__, step.component, dict(parameters), inputs]))

    def _is_done(self, step: Step, fingerprint: str) -> bool:
        return self._folder.step_state(step.name).get("fingerprint") == fingerprint and all(
            self._folder.place(step.name, output).exists()
            for output, kind in step.outputs.items()
            if kind["schemaTitle"] != METRICS  # a Metrics artifact is metadata without a file
        )

    def _execute(self, step: Step, parameters: Mapping[str, Any]) -> None:
        from kfp.dsl.executor import Executor

        # A folder of an attempt that was cut off would mix with the new one.
        for output in step.outputs:
            place = self._folder.place(step.name, output)
            if place.is_dir():
                shutil.rmtree(place)
        output_file = self._folder.work / "executor" / f"{step.name}.json"
        output_file.unlink(missing_ok=True)
        message = self._executor_input(step, parameters, str(output_file))
        Executor(message, self._components[step.component]).execute()

    def _executor_input(self, step: Step, parameters: Mapping[str, Any], output_file: str) -> dict[str, Any]:
        """KFP's ExecutorInput message (kfp-api, pipeline_spec.proto) of a step."""
        parameter_files = self._folder.work / "executor" / step.name
        return {
            "inputs": {
                "parameterValues": dict(parameters),
                "artifacts": {
                    name: self._artifact(self._names[producer], output, {"schemaTitle": "system.Artifact"})
                    for name, (producer, output) in step.inputs.items()
                },
            },
            "outputs": {
                "parameters": {
                    name: {"outputFile": str(parameter_files / name)} for name in step.output_parameters
                },
                "artifacts": {
                    name: self._artifact(step.name, name, kind) for name, kind in step.outputs.items()
                },
                "outputFile": output_file,
            },
        }

    def _artifact(self, step: str, output: str, kind: Mapping[str, str]) -> dict[str, Any]:
        recorded = self._executed(step).get("artifacts", {}).get(output)
        metadata = recorded["artifacts"][0].get("metadata", {}) if recorded else {}
        return {
            "artifacts": [
                {
                    "name": output,
                    "type": dict(kind),
                    "uri": str(self._folder.place(step, output)),
                    "metadata": metadata,
                }
            ]
        }
