"""Close tracked runs whose pipeline run has ended without its exit step.

Kubeflow Pipelines ends a run that a person terminates by a deadline of zero seconds, and its exit step
falls to the same deadline; so what became of such a run is known to Kubeflow Pipelines alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gukbap.adapters.mlflow_election import RunStatus
from gukbap.adapters.mlflow_open_runs import open_runs

if TYPE_CHECKING:
    from gukbap.adapters.kfp import Connection

#: KFP's state of a run that has ended (kfp-api, run.proto, RuntimeState) → MLflow's status
_ENDED: Mapping[str, RunStatus] = {
    "SUCCEEDED": "FINISHED",
    "SKIPPED": "FINISHED",
    "FAILED": "FAILED",
    "CANCELED": "KILLED",
}


def close_ended_runs(connection: Connection, experiment: str, tracking_uri: str) -> dict[str, RunStatus]:
    """Close every open run of an experiment that Kubeflow Pipelines knows to have ended.

    Returns:
        KFP's run id → the status that it was closed with.

    Raises:
        ClusterError: Kubeflow Pipelines cannot be asked.
        StoreError: MLflow cannot be reached, or refuses.
    """
    from gukbap.adapters.kfp.errors import MissingError
    from gukbap.adapters.kfp.runs import get_run

    closed: dict[str, RunStatus] = {}
    for run_id, tracker in open_runs(experiment, tracking_uri).items():
        try:
            state = str(get_run(connection, run_id).state)
        except MissingError:
            continue  # another installation's, or a run of one machine
        if status := _ENDED.get(state):
            tracker.finish(status)
            closed[run_id] = status
    return closed
