"""Runs: started, listed, found."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from gukbap.adapters.kfp.connection import Connection, by_field
from gukbap.adapters.kfp.errors import MissingError
from gukbap.adapters.kfp.parameters import typed_values
from gukbap.adapters.kfp.pipelines import (
    ensure_experiment,
    latest_version,
    named_version,
    need_pipeline,
    project_pipelines,
)
from gukbap.config import pipeline_name
from gukbap.errors import ClusterError, UsageError

LATEST = "latest"
#: runs looked at before a listing ends: a busy installation has many that are not this project's
_SEARCHED = 2000
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class StartedRun:
    """A run that the API has taken."""

    id: str
    name: str
    pipeline: str
    version: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class RunRow:
    """A run in a list; times in UTC, `seconds` up to now for a run that has not ended."""

    id: str
    name: str
    pipeline: str
    state: str
    created_at: datetime
    seconds: float


def timed_name(name: str) -> str:
    """A run's name with the time, to the second, in UTC."""
    return f"{name} {datetime.now(UTC):%Y-%m-%d %H:%M:%S}"


def submit(
    connection: Connection,
    recipe: str,
    parameters: Mapping[str, str],
    *,
    version: str = LATEST,
    experiment: str,
    run_name: str | None = None,
) -> StartedRun:
    """Start a run of a recipe's registered pipeline.

    Args:
        recipe: the recipe's name.
        parameters: name → text, checked against what the version declares before anything is sent.
        version: a version's name, or "latest".
        experiment: the experiment's name; made where it is missing.
        run_name: the run's name; pipeline and time by default.

    Raises:
        UsageError: a parameter or the version is wrong.
        ClusterError: the pipeline is not registered, or the API fails.
    """
    name = pipeline_name(recipe)
    pipeline_id = need_pipeline(connection, recipe)
    if version == LATEST:
        chosen = latest_version(connection, pipeline_id)
        if chosen is None:
            raise ClusterError(f"the pipeline {name} has no version yet", fix=f"gukbap apply {recipe}")
    else:
        chosen = named_version(connection, pipeline_id, version)
    values = typed_values(parameters, chosen.spec, pipeline=f"{name} {chosen.name}")
    experiment_id, _ = ensure_experiment(connection, experiment)
    api = connection.api
    body = api.V2beta1Run(
        display_name=run_name or timed_name(name),
        experiment_id=experiment_id,
        pipeline_version_reference=api.V2beta1PipelineVersionReference(
            pipeline_id=pipeline_id, pipeline_version_id=chosen.id
        ),
        runtime_config=api.V2beta1RuntimeConfig(parameters=values),
    )
    return start(connection, body, pipeline=name, version=chosen.name, experiment=experiment)


def start(
    connection: Connection,
    body: Any,
    *,
    pipeline: str,
    version: str | None = None,
    experiment: str | None = None,
) -> StartedRun:
    """Send a run; not tried again by itself, since a lost answer may hide a run that was taken."""
    made = connection.call("to start a run", connection.runs.run_service_create_run, body)
    return StartedRun(str(made.run_id), str(made.display_name), pipeline, version, experiment)


def list_runs(connection: Connection, recipe: str | None = None, limit: int = 20) -> list[RunRow]:
    """The newest runs of the project's pipelines, or of one recipe's."""
    if recipe is None:
        names = project_pipelines(connection)
    else:
        names = {need_pipeline(connection, recipe): pipeline_name(recipe)}
    ours = (run for run in islice(_newest(connection), _SEARCHED) if _pipeline_id(run) in names)
    return [_row(run, names[_pipeline_id(run)]) for run in islice(ours, limit)]


def find_run(connection: Connection, reference: str) -> Any:
    """The run with this id, or the newest with this name; UsageError where there is none."""
    if _UUID.fullmatch(reference):
        try:
            return get_run(connection, reference)
        except MissingError:
            raise _no_run(connection, reference) from None
    page = connection.call(
        f"to find the run {reference}",
        connection.runs.run_service_list_runs,
        namespace=connection.namespace,
        sort_by="created_at desc",
        filter=by_field("display_name", reference),
        page_size=1,
    )
    if not page.runs:
        raise _no_run(connection, reference)
    return get_run(connection, str(page.runs[0].run_id))


def get_run(connection: Connection, run_id: str) -> Any:
    """A run with its task details (kfp_server_api's V2beta1Run)."""
    return connection.call(f"to show the run {run_id}", connection.runs.run_service_get_run, run_id)


def run_spec(connection: Connection, run: Any) -> Mapping[str, Any]:
    """The pipeline spec that a run was started with."""
    if isinstance(run.pipeline_spec, dict):
        return dict(run.pipeline_spec)
    reference = run.pipeline_version_reference
    if reference is None or not reference.pipeline_version_id:
        return {}
    try:
        version = connection.call(
            "to show the run's pipeline version",
            connection.pipelines.pipeline_service_get_pipeline_version,
            reference.pipeline_id,
            reference.pipeline_version_id,
        )
    except MissingError:
        return {}  # deleted since; steps then go by their task names
    return version.pipeline_spec if isinstance(version.pipeline_spec, dict) else {}


def past(moment: datetime | None) -> datetime | None:
    """A time of the API, or None: it writes a time that is not yet known as 1970."""
    return moment if moment is not None and moment.timestamp() > 0 else None


def _newest(connection: Connection) -> Iterator[Any]:
    return connection.every(
        "to list runs",
        connection.runs.run_service_list_runs,
        "runs",
        namespace=connection.namespace,
        sort_by="created_at desc",
    )


def _pipeline_id(run: Any) -> str:
    reference = run.pipeline_version_reference
    return str(reference.pipeline_id) if reference else ""


def _row(run: Any, pipeline: str) -> RunRow:
    end = past(run.finished_at) or datetime.now(UTC)
    return RunRow(
        id=str(run.run_id),
        name=str(run.display_name),
        pipeline=pipeline,
        state=str(run.state or "PENDING"),
        created_at=run.created_at,
        seconds=max(0.0, (end - run.created_at).total_seconds()),
    )


def _no_run(connection: Connection, reference: str) -> UsageError:
    return UsageError(f"there is no run {reference!r} at {connection.endpoint}", fix="gukbap runs lists them")
