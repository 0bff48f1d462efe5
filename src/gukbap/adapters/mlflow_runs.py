"""Runs that are in MLflow already, found by whatever a person calls them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from gukbap.adapters.mlflow_client import open_client
from gukbap.adapters.mlflow_election import PARENT_TAG
from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_tags import RUN_TAG
from gukbap.errors import InputError

#: a run that stands for a model of others, and what it is called
BASELINE_TAG = "gukbap.baseline"
_MLFLOW_ID = re.compile(r"^[0-9a-f]{32}$")


@dataclass(frozen=True)
class TrackedRun:
    """A run with its latest numbers."""

    run_id: str
    experiment_id: str
    name: str
    status: str
    metrics: dict[str, float]
    tags: dict[str, str]


def find_runs(tracking_uri: str, names: list[str]) -> list[TrackedRun]:
    """The runs of these names, in their order.

    Args:
        tracking_uri: MLflow.
        names: each MLflow's id, the run's own id, or its name; nested runs are not looked for.

    Raises:
        InputError: there is none, or several have the name.
        StoreError: MLflow refuses or cannot be reached.
    """
    client = open_client(tracking_uri)
    with explained(tracking_uri):
        experiments = [one.experiment_id for one in client.search_experiments()]
        return [_one(client, experiments, name) for name in names]


def _one(client: Any, experiments: list[str], name: str) -> TrackedRun:
    if _MLFLOW_ID.match(name):
        return _read(client.get_run(name))
    text = name.replace('"', "'")
    for query in (f'tags.`{RUN_TAG}` = "{text}"', f'attributes.run_name = "{text}"'):
        found = [run for run in client.search_runs(experiments, query) if PARENT_TAG not in run.data.tags]
        if len(found) > 1:
            raise InputError(
                f"{len(found)} runs of MLflow are called {name!r}",
                expected=f"one of their ids: {', '.join(run.info.run_id for run in found)}",
            )
        if found:
            return _read(found[0])
    raise InputError(
        f"MLflow has no run {name!r}",
        expected="MLflow's id of a run, a run's own id, or its name",
        fix="mlflow runs list --experiment-name gukbap",
    )


def _read(run: Any) -> TrackedRun:
    return TrackedRun(
        run_id=str(run.info.run_id),
        experiment_id=str(run.info.experiment_id),
        name=str(run.info.run_name),
        status=str(run.info.status),
        metrics={key: float(value) for key, value in run.data.metrics.items()},
        tags=dict(run.data.tags),
    )


def last_finished(client: Any, uri: str, experiment_id: str, recipe: str, but: str) -> TrackedRun | None:
    """The newest run of a recipe that has finished, other than `but`; None where there is none.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    query = f'attributes.status = "FINISHED" and tags.`gukbap.recipe` = "{recipe}"'
    with explained(uri):
        found = client.search_runs([experiment_id], query, order_by=["attributes.start_time DESC"])
    runs = [run for run in found if PARENT_TAG not in run.data.tags and run.info.run_id != but]
    return _read(runs[0]) if runs else None
