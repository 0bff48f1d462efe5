"""The exit step: whatever became of the run, close it, say what failed and where to look, and clear up.

Kubeflow Pipelines runs it after the last step, also when one failed. It does not when a person ends the
run: what stays open then is closed by the next run's prepare step, or by `gukbap runs --close`
(see ended_runs).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_election import RunStatus
from gukbap.config import Recipe
from gukbap.errors import GukbapError
from gukbap.files import write_text
from gukbap.handover import RUN_ID, failures, has_succeeded
from gukbap.workers.context import Outcome, lasting_folder, progress, shared_folder

#: the steps' final state → MLflow's status. Kubeflow Pipelines hands on the state of its metadata store
#: (backend, v2/driver/resolve.go; ml-metadata, Execution.State), kfp.local that of pipeline_state.proto.
_STATUS: Mapping[str, RunStatus] = {
    "COMPLETE": "FINISHED",
    "CACHED": "FINISHED",
    "SUCCEEDED": "FINISHED",
    "CANCELED": "KILLED",
    "CANCELLED": "KILLED",
}
_LAST_STEP = "promote"


def run_finish(recipe: Recipe, *, state: str, message: str, summary: Path) -> Outcome:
    """Close a run.

    Args:
        recipe: as it was compiled.
        state: the steps' final state, for example COMPLETE, SUCCEEDED or FAILED.
        message: KFP's own words on a failure.
        summary: where the end is told, as Markdown.

    Raises:
        GukbapError: something could not be closed or cleared; the rest was done all the same.
    """
    folder, run_id = lasting_folder(), os.environ.get(RUN_ID, "")
    status = _status(state, folder)
    failed = failures(folder) if folder and status != "FINISHED" else []
    told = _summary(recipe, run_id, status, message, failed)
    write_text(summary, told)
    if status != "FINISHED":
        progress().say(told.strip())
    troubles = [
        trouble
        for trouble in (
            _try("tracking", lambda: _close(recipe, run_id, status, message, failed)),
            _try("the cluster", lambda: _clear_cluster(run_id)),
        )
        if trouble
    ]
    if troubles:
        raise GukbapError("; ".join(troubles), fix="mend it and run the step again: it repeats no harm")
    # Last, since the steps' notes there are what another try goes by.
    _clear_work(run_id, status)
    return Outcome({"failed_steps": len(failed), "succeeded": int(status == "FINISHED")})


def _status(state: str, folder: Path | None) -> RunStatus:
    """The run's status.

    A state that is no end (RUNNING) is what the metadata store still says of the steps when a pod was
    killed before it could report, or when the store lags behind: the last step's own note decides.
    """
    ended = _STATUS.get(state)
    if ended or state == "FAILED":
        return ended or "FAILED"
    return "FINISHED" if folder and has_succeeded(_LAST_STEP, folder) else "FAILED"


def _try(what: str, deed: Callable[[], None]) -> str | None:
    try:
        deed()
    except GukbapError as error:
        return f"{what}: {error.problem}"
    return None


def _close(
    recipe: Recipe, run_id: str, status: RunStatus, message: str, failed: Sequence[Mapping[str, Any]]
) -> None:
    from gukbap.adapters.mlflow_tracker import parent_from_environment

    parent = parent_from_environment(experiment=recipe.tracking.experiment)
    tags = _image_digests(run_id)
    if status != "FINISHED":
        tags["gukbap.failed_steps"] = ", ".join(values["step"] for values in failed) or "unknown"
        tags["gukbap.failure"] = "; ".join(values["problem"] for values in failed) or message or status
        tags["gukbap.logs"] = "; ".join(_log_commands(run_id, failed))
    parent.tags(tags)
    parent.finish(status)


def _clear_cluster(run_id: str) -> None:
    """Remove servers and jobs that were started for this run alone."""
    from gukbap.adapters.kubernetes_cluster import open_cluster

    if cluster := open_cluster():
        for name in cluster.remove_of_run(run_id):
            progress().say(f"removed {name}")


def _image_digests(run_id: str) -> dict[str, str]:
    """The digests of the images that ran, as the cluster knows them; empty where it may not be asked."""
    from gukbap.adapters.kubernetes_cluster import open_cluster

    cluster = open_cluster()
    if cluster is None:
        return {}
    try:
        pods = cluster.pods_of_run(run_id)
    except GukbapError as error:
        progress().say(f"image digests are not recorded: {error.problem}")
        return {}
    digests = {pod.image.rpartition("/")[2].partition(":")[0]: pod.digest for pod in pods if pod.digest}
    return {f"image.{name.partition('@')[0]}.digest": digest for name, digest in digests.items()}


def _clear_work(run_id: str, status: RunStatus) -> None:
    """Journals and checkpoints are kept for a run that can be tried again, and only for such a one."""
    shared = shared_folder()
    if shared and run_id and status == "FINISHED":
        shutil.rmtree(shared / "runs" / run_id, ignore_errors=True)


def _log_commands(run_id: str, failed: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"gukbap logs {run_id} {values['step']}" for values in failed] or ["gukbap runs"]


def _summary(
    recipe: Recipe, run_id: str, status: RunStatus, message: str, failed: Sequence[Mapping[str, Any]]
) -> str:
    lines = [f"# {recipe.name}: {status.lower()}", "", f"Run `{run_id}`", ""]
    if recipe.cluster.ui_url and run_id:
        lines += [f"{recipe.cluster.ui_url.rstrip('/')}/#/runs/details/{run_id}", ""]
    if status == "FINISHED":
        return "\n".join(lines)
    if message:
        lines += [message, ""]
    for values in failed:
        lines += [f"## {values['step']}", "", values["problem"], ""]
        lines += [f"{label}: {values[key]}\n" for key, label in _LABELS.items() if values.get(key)]
    lines += ["Logs:", "", *(f"    {command}" for command in _log_commands(run_id, failed)), ""]
    return "\n".join(lines)


_LABELS = {"expected": "expected", "fix": "next", "pod": "pod"}
