"""MLflow behind the `Tracker` port, through the explicit client.

There is no global active run: nothing leaks between runs or threads. A run is found by its tags
before one is made, so a resume or a retry goes on in the run that is there.
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_sqlite import alone, sqlite_folder
from gukbap.adapters.null_tracker import NullTracker
from gukbap.adapters.redaction import HIDDEN, hidden, names_secret, redacted
from gukbap.config import TrackingConfig
from gukbap.errors import ConfigError, InputError, StoreError
from gukbap.files import canonical_json

RUN_TAG = "gukbap.run_id"
STAGE_TAG = "gukbap.stage"
_PARENT_TAG = "mlflow.parentRunId"
_TABLES_TAG = "mlflow.loggedArtifacts"
# mlflow.utils.validation: the longest key, parameter and tag, and the largest batches it takes.
_MAX_KEY, _MAX_PARAM, _MAX_TAG = 250, 6000, 8000
_MAX_PARAMS_PER_BATCH, _MAX_METRICS_PER_BATCH = 100, 1000
#: MLflow's own defaults wait for minutes; a value that the user has set stands.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Links to runs are printed on stdout, where `--json` output stands.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


class MlflowTracker:
    """One MLflow run."""

    def __init__(
        self, client: Any, uri: str, run_id: str, experiment_id: str, *, borrowed: bool = False
    ) -> None:
        """`borrowed`: someone else opened the run and will end it."""
        self._client, self._uri, self._borrowed = client, uri, borrowed
        #: MLflow's identity of the run, and of the experiment that holds it
        self.run_id, self.experiment_id = run_id, experiment_id

    def __repr__(self) -> str:
        return f"MlflowTracker({self.run_id} at {redacted(self._uri)})"

    def child(self, stage: str) -> MlflowTracker:
        """The nested run of a stage, made where there is none."""
        tags = {_PARENT_TAG: self.run_id, STAGE_TAG: stage}
        with explained(self._uri):
            run_id = _find_or_create(self._client, self.experiment_id, tags, stage)
        return MlflowTracker(self._client, self._uri, run_id, self.experiment_id)

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters: nested keys joined by dots, secrets hidden, long values cut.

        MLflow keeps a parameter's first value; a later, different one becomes the tag
        `changed.<parameter>`.
        """
        from mlflow.entities import Param, RunTag

        given = {_name(key): _param_text(key, value) for key, value in _flat(values)}
        with explained(self._uri):
            known = self._client.get_run(self.run_id).data.params
            new = [Param(key, text) for key, text in given.items() if key not in known]
            for start in range(0, len(new), _MAX_PARAMS_PER_BATCH):
                self._client.log_batch(self.run_id, params=new[start : start + _MAX_PARAMS_PER_BATCH])
            changed = [
                RunTag(f"changed.{key}"[:_MAX_KEY], text)
                for key, text in given.items()
                if known.get(key, text) != text
            ]
            for start in range(0, len(changed), _MAX_PARAMS_PER_BATCH):
                self._client.log_batch(self.run_id, tags=changed[start : start + _MAX_PARAMS_PER_BATCH])

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers, all with one time stamp; a value that is not finite is left out."""
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        batch = [
            Metric(_name(key), float(value), now, step or 0)
            for key, value in values.items()
            if math.isfinite(value)
        ]
        with explained(self._uri):
            for start in range(0, len(batch), _MAX_METRICS_PER_BATCH):
                self._client.log_batch(self.run_id, metrics=batch[start : start + _MAX_METRICS_PER_BATCH])

    def tags(self, values: Mapping[str, str]) -> None:
        """Record labels; a later value replaces an earlier one."""
        with explained(self._uri):
            for key, value in values.items():
                text = HIDDEN if names_secret(key) else redacted(str(value))[:_MAX_TAG]
                self._client.set_tag(self.run_id, _name(key), text)

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows of equal keys as the table `name`, in place of an earlier one.

        The file has the form of MLflow's `log_table`, which itself would append on a retry.
        """
        import json

        columns = list(rows[0]) if rows else []
        data = [[row.get(column) for column in columns] for row in (hidden(row) for row in rows)]
        text = canonical_json({"columns": columns, "data": data})
        path = f"tables/{_name(name).replace('/', '_')}.json"
        with explained(self._uri):
            self._client.log_text(self.run_id, text, path)
            tagged = json.loads(self._client.get_run(self.run_id).data.tags.get(_TABLES_TAG, "[]"))
            entry = {"path": path, "type": "table"}
            if entry not in tagged:
                self._client.set_tag(self.run_id, _TABLES_TAG, json.dumps([*tagged, entry]))

    def file(self, path: Path) -> None:
        """Record a small file as an artifact of the run; never weights.

        Raises:
            InputError: there is no such file.
            StoreError: MLflow refuses it.
        """
        if not path.is_file():
            raise InputError(f"there is no file {path} to record", fix="check the path")
        with explained(self._uri):
            self._client.log_artifact(self.run_id, str(path))

    def finish(self, status: RunStatus = "FINISHED") -> None:
        """End the run; a resume opens it again. A borrowed run is left open."""
        if self._borrowed:
            return
        with explained(self._uri):
            self._client.set_terminated(self.run_id, status=status)


def open_run(experiment: str, run_id: str, name: str, tracking_uri: str) -> MlflowTracker:
    """The run with the tag `gukbap.run_id` = `run_id`, made where there is none.

    Processes that share a SQLite file take turns. A server has no unique tags: steps that open a new
    run there at one moment can make two, of which later ones take the oldest; so whoever starts
    steps in parallel opens the run before.

    Args:
        experiment: name of the MLflow experiment; made where it is missing.
        run_id: the pipeline run's own identity.
        name: what MLflow shows.
        tracking_uri: a server (http…) or a SQLite file (sqlite:////absolute/file.db), beside which
            the artifacts of new experiments are kept.

    Raises:
        StoreError: MLflow is not installed, cannot be reached, or refuses.
    """
    with alone(tracking_uri):
        client = _client(tracking_uri)
        with explained(tracking_uri):
            experiment_id = _experiment_id(client, experiment, tracking_uri)
            found = _find_or_create(client, experiment_id, {RUN_TAG: run_id}, name)
    return MlflowTracker(client, tracking_uri, found, experiment_id)


def from_environment(
    stage: str | None = None,
    *,
    experiment: str | None = None,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> MlflowTracker | NullTracker:
    """The tracker of a step that runs in a process of its own.

    With MLFLOW_RUN_ID, that run. With MLFLOW_TRACKING_URI alone, the run of GUKBAP_RUN_ID, made where
    there is none, and `stage` nested under it. With neither, a tracker that keeps nothing.

    Raises:
        ConfigError: a variable that is needed beside a given one is missing.
        StoreError: MLflow cannot be reached, or there is no such run.
    """
    environment = os.environ if environment is None else environment
    uri, given = environment.get("MLFLOW_TRACKING_URI"), environment.get("MLFLOW_RUN_ID")
    if not uri:
        if given:
            raise ConfigError("MLFLOW_RUN_ID is set without MLFLOW_TRACKING_URI", fix="set both or neither")
        return NullTracker()
    if given:
        client = _client(uri)
        with explained(uri):
            run = client.get_run(given)
        return MlflowTracker(client, uri, given, run.info.experiment_id, borrowed=True)
    run_id = environment.get("GUKBAP_RUN_ID")
    if not run_id:
        raise ConfigError(
            "MLFLOW_TRACKING_URI is set without GUKBAP_RUN_ID, so the run to log into is not known",
            fix="set GUKBAP_RUN_ID to the run's id, or unset MLFLOW_TRACKING_URI",
        )
    chosen = experiment or environment.get("MLFLOW_EXPERIMENT_NAME") or TrackingConfig().experiment
    parent = open_run(chosen, run_id, name or run_id, uri)
    return parent.child(stage) if stage else parent


def check_server(uri: str) -> None:
    """Ask a tracking server for something real; its /health answers even where it refuses to work.

    Raises:
        StoreError: it cannot be reached, or refuses.
    """
    client = _client(uri)
    with explained(uri):
        client.search_experiments(max_results=1)


def _client(uri: str) -> Any:
    for variable, value in _PATIENCE.items():
        os.environ.setdefault(variable, value)
    try:
        from mlflow import MlflowClient
    except ImportError as error:
        raise StoreError("mlflow is not installed", fix="pip install 'gukbap[tracking]'") from error
    # The first use of a SQLite file logs each of its schema migrations.
    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    with explained(uri):
        return MlflowClient(tracking_uri=uri)


def _experiment_id(client: Any, name: str, uri: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        folder = sqlite_folder(uri)
        # Without a place, a SQLite store writes artifacts into the working directory.
        place = (folder / "mlflow-artifacts").as_uri() if folder else None
        try:
            return str(client.create_experiment(name, artifact_location=place))
        except MlflowException:
            # Another process of the run may have been quicker.
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
    if found.lifecycle_stage == "deleted":
        raise StoreError(
            f"the MLflow experiment {name!r} is deleted",
            fix=f"mlflow experiments restore -x {found.experiment_id}; or choose another tracking.experiment",
        )
    return str(found.experiment_id)


def _find_or_create(client: Any, experiment_id: str, tags: Mapping[str, str], name: str) -> str:
    # MLflow's filter language knows no escape for the quote that encloses a value.
    tags = {key: value.replace('"', "'") for key, value in tags.items()}
    found = _find(client, experiment_id, tags)
    if found is not None:
        client.update_run(found, status="RUNNING")
        return found
    return str(client.create_run(experiment_id, tags=tags, run_name=name).info.run_id)


def _find(client: Any, experiment_id: str, tags: Mapping[str, str]) -> str | None:
    query = " and ".join(f'tags.`{key}` = "{value}"' for key, value in tags.items())
    runs = client.search_runs(
        [experiment_id], query, order_by=["attributes.start_time ASC", "attributes.run_id ASC"], max_results=1
    )
    return str(runs[0].info.run_id) if runs else None


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, value


def _param_text(key: str, value: Any) -> str:
    if names_secret(key) and value is not None:
        return HIDDEN
    safe = hidden(value)
    return (safe if isinstance(safe, str) else canonical_json(safe))[:_MAX_PARAM]


def _name(key: str) -> str:
    """A name that MLflow takes: letters of any script, digits and `_ . - : /`; the rest becomes `_`."""
    text = re.sub(r"[^/\w.\-: ]", "_", unicodedata.normalize("NFC", key)).strip("_/. ")
    return re.sub(r"/{2,}", "/", text)[:_MAX_KEY] or "unnamed"
