"""MLflow behind the `Tracker` port, through the explicit client.

There is no global active run: nothing leaks between runs or threads. A run is found by its tags
before one is made, so a resume or a retry goes on in the run that is there.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_client import find_experiment, open_client
from gukbap.adapters.mlflow_election import (
    PARENT_TAG,
    RunStatus,
    ancestor,
    end_open_children,
    find_or_create,
    reopen,
)
from gukbap.adapters.mlflow_errors import again_on_conflict, explained
from gukbap.adapters.mlflow_points import LoggedPoints
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_tags import RUN_TAG, STAGE_TAG, parent_tags
from gukbap.adapters.mlflow_values import MAX_KEY, safe_name, safe_params, safe_tags
from gukbap.adapters.null_tracker import NullTracker
from gukbap.adapters.redaction import hidden, redacted
from gukbap.config import TrackingConfig
from gukbap.errors import ConfigError, InputError
from gukbap.files import canonical_json
from gukbap.handover import EXPERIMENT, MLFLOW_RUN, RUN_ID, TRACKING_URI
from gukbap.ports import Point

__all__ = [
    "RUN_TAG",
    "STAGE_TAG",
    "MlflowTracker",
    "borrowed_run",
    "check_server",
    "from_environment",
    "open_run",
    "parent_from_environment",
    "parent_tags",
]
#: what Kubeflow Pipelines' own MLflow plugin writes on a run that it has opened and will end
_PLUGIN_TAG = "kfp.pipeline_run_id"
_TABLES_TAG = "mlflow.loggedArtifacts"
_MAX_PARAMS_PER_BATCH = 100  # mlflow.utils.validation


class MlflowTracker:
    """One MLflow run."""

    def __init__(
        self, client: Any, uri: str, run_id: str, experiment_id: str, *, borrowed: bool = False
    ) -> None:
        """`borrowed`: someone else opened the run and will end it."""
        self._borrowed = borrowed
        #: MLflow's client and the URI that it was opened with, which may hold a password
        self.client, self.uri = client, uri
        #: MLflow's identity of the run, and of the experiment that holds it
        self.run_id, self.experiment_id = run_id, experiment_id
        self._points = LoggedPoints(client, run_id)

    def __repr__(self) -> str:
        return f"MlflowTracker({self.run_id} at {redacted(self.uri)})"

    def child(self, stage: str) -> MlflowTracker:
        """The nested run of a stage: made where there is none, opened again where it has ended."""
        tags = {PARENT_TAG: self.run_id, STAGE_TAG: stage}
        with alone(self.uri), explained(self.uri):
            run = find_or_create(self.client, self.experiment_id, tags, stage)
            reopen(self.client, run)
        return MlflowTracker(self.client, self.uri, run.info.run_id, self.experiment_id)

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters: nested keys joined by dots, secrets hidden, long values cut.

        MLflow keeps a parameter's first value; a later, different one becomes the tag
        `changed.<parameter>`.
        """
        given = safe_params(values)
        with explained(self.uri):
            again_on_conflict(lambda: self._log_params(given))

    def _log_params(self, given: Mapping[str, str]) -> None:
        from mlflow.entities import Param, RunTag

        known = self.client.get_run(self.run_id).data.params
        new = [Param(key, text) for key, text in given.items() if key not in known]
        changed = [
            RunTag(f"changed.{key}"[:MAX_KEY], text)
            for key, text in given.items()
            if known.get(key, text) != text
        ]
        for start in range(0, len(new), _MAX_PARAMS_PER_BATCH):
            self.client.log_batch(self.run_id, params=new[start : start + _MAX_PARAMS_PER_BATCH])
        for start in range(0, len(changed), _MAX_PARAMS_PER_BATCH):
            self.client.log_batch(self.run_id, tags=changed[start : start + _MAX_PARAMS_PER_BATCH])

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers, all with one time stamp.

        A value that is not finite is left out, and so is one that stands at this step already: a resume
        or a retry repeats what an earlier attempt has logged.
        """
        with explained(self.uri):
            self._points.values(values, step or 0)

    def series(self, points: Sequence[Point]) -> None:
        """Record many points at once; of a step that a series has already, the first value stays."""
        with explained(self.uri):
            self._points.series(points)

    def tags(self, values: Mapping[str, str]) -> None:
        """Record labels; a later value replaces an earlier one."""
        with explained(self.uri):
            for key, text in safe_tags(values).items():
                self.client.set_tag(self.run_id, key, text)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows of equal keys as the table `name`, in place of an earlier one.

        The file has the form of MLflow's `log_table`, which itself would append on a retry.
        """
        import json

        columns = list(rows[0]) if rows else []
        data = [[row.get(column) for column in columns] for row in (hidden(row) for row in rows)]
        text = canonical_json({"columns": columns, "data": data})
        path = f"tables/{safe_name(name).replace('/', '_')}.json"
        with explained(self.uri):
            self.client.log_text(self.run_id, text, path)
            tagged = json.loads(self.client.get_run(self.run_id).data.tags.get(_TABLES_TAG, "[]"))
            entry = {"path": path, "type": "table"}
            if entry not in tagged:
                self.client.set_tag(self.run_id, _TABLES_TAG, json.dumps([*tagged, entry]))

    def file(self, path: Path, folder: str | None = None) -> None:
        """Record a small file as an artifact of the run, in a folder of its artifacts; never weights.

        Raises:
            InputError: there is no such file.
            StoreError: MLflow refuses it.
        """
        if not path.is_file():
            raise InputError(f"there is no file {path} to record", fix="check the path")
        with explained(self.uri):
            self.client.log_artifact(self.run_id, str(path), folder)

    def finish(self, status: RunStatus = "FINISHED") -> None:
        """End the run, and as killed the nested runs whose processes did not end them; a resume opens
        them again. A borrowed run is left as it is."""
        if self._borrowed:
            return
        left = "KILLED" if status == "FINISHED" else status
        with explained(self.uri):
            end_open_children(self.client, self.experiment_id, self.run_id, left)
            self.client.set_terminated(self.run_id, status=status)


def open_run(experiment: str, run_id: str, name: str, tracking_uri: str) -> MlflowTracker:
    """The run with the tag `kfp.run_id` = `run_id`, made where there is none, opened again where it ended.

    Any number of processes may ask for it at one moment; all get the same run. One that Kubeflow
    Pipelines' plugin has opened stays the plugin's.

    Args:
        experiment: name of the MLflow experiment; made where it is missing.
        run_id: the pipeline run's own identity: KFP's, or the run folder's.
        name: what MLflow shows.
        tracking_uri: a server (http…) or a SQLite file (sqlite:////absolute/file.db), beside which
            the artifacts of new experiments are kept.

    Raises:
        StoreError: MLflow is not installed, cannot be reached, or refuses.
    """
    with alone(tracking_uri):
        client = open_client(tracking_uri)
        with explained(tracking_uri):
            experiment_id = find_experiment(client, experiment, tracking_uri)
            run = find_or_create(client, experiment_id, {RUN_TAG: run_id}, name)
            borrowed = _PLUGIN_TAG in run.data.tags
            if not borrowed:
                reopen(client, run)
    return MlflowTracker(client, tracking_uri, run.info.run_id, experiment_id, borrowed=borrowed)


def from_environment(
    stage: str | None = None,
    *,
    experiment: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> MlflowTracker | NullTracker:
    """The tracker of a step that runs in a process of its own.

    With MLFLOW_RUN_ID, that run, which belongs to whoever has set the variable: Kubeflow Pipelines'
    MLflow plugin opens a run for each step and ends it. With MLFLOW_TRACKING_URI alone, the run of
    GUKBAP_RUN_ID, made where there is none, and `stage` nested under it. With neither, a tracker that
    keeps nothing.

    Raises:
        ConfigError: a variable that is needed beside a given one is missing.
        StoreError: MLflow cannot be reached, or there is no such run.
    """
    environment = os.environ if environment is None else environment
    given = _given(environment)
    if given is not None:
        return borrowed_run(*given)
    parent = parent_from_environment(experiment=experiment, name=name, environment=environment)
    return parent.child(stage) if stage else parent


def borrowed_run(uri: str, run_id: str) -> MlflowTracker:
    """A run that another process has opened and will end.

    Raises:
        StoreError: MLflow cannot be reached, or there is no such run.
    """
    client = open_client(uri)
    with explained(uri):
        run = client.get_run(run_id)
    return MlflowTracker(client, uri, run_id, run.info.experiment_id, borrowed=True)


def parent_from_environment(
    *,
    experiment: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> MlflowTracker | NullTracker:
    """The run of the whole pipeline, on which what is compared between runs is put.

    With MLFLOW_RUN_ID, the run at the top of that run's ancestors, which the plugin ends: `finish` does
    nothing to it. With MLFLOW_TRACKING_URI alone, the run of GUKBAP_RUN_ID, made where there is none.
    With neither, a tracker that keeps nothing.

    Raises:
        ConfigError: a variable that is needed beside a given one is missing.
        StoreError: MLflow cannot be reached, or there is no such run.
    """
    environment = os.environ if environment is None else environment
    given = _given(environment)
    if given is not None:
        uri, inner = given
        client = open_client(uri)
        with explained(uri):
            top = ancestor(client, client.get_run(inner))
        return MlflowTracker(client, uri, top.info.run_id, top.info.experiment_id, borrowed=True)
    uri_alone, run_id = environment.get(TRACKING_URI), environment.get(RUN_ID)
    if not uri_alone:
        return NullTracker()
    if not run_id:
        raise ConfigError(
            f"{TRACKING_URI} is set without {RUN_ID}, so the run to log into is not known",
            fix=f"set {RUN_ID} to the run's id, or unset {TRACKING_URI}",
        )
    chosen = experiment or environment.get(EXPERIMENT) or TrackingConfig().experiment
    return open_run(chosen, run_id, name or run_id, uri_alone)


def _given(environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Where a run is that was opened for this step, and its id; None where there is none."""
    uri, run_id = environment.get(TRACKING_URI), environment.get(MLFLOW_RUN)
    if not run_id:
        return None
    if not uri:
        raise ConfigError(f"{MLFLOW_RUN} is set without {TRACKING_URI}", fix="set both or neither")
    return uri, run_id


def check_server(uri: str) -> None:
    """Ask a tracking server for something real; its /health answers even where it refuses to work.

    Raises:
        StoreError: it cannot be reached, or refuses.
    """
    client = open_client(uri)
    with explained(uri):
        client.search_experiments(max_results=1)
