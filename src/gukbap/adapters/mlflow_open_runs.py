"""Runs that MLflow takes to be under way."""

from __future__ import annotations

from gukbap.adapters.mlflow_client import open_client
from gukbap.adapters.mlflow_election import PARENT_TAG
from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_tags import RUN_TAG
from gukbap.adapters.mlflow_tracker import MlflowTracker


def open_runs(experiment: str, tracking_uri: str) -> dict[str, MlflowTracker]:
    """KFP's run id → the open parent run, for every run of an experiment that has not been ended.

    Raises:
        StoreError: MLflow cannot be reached, or refuses.
    """
    client = open_client(tracking_uri)
    with explained(tracking_uri):
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return {}
        runs = client.search_runs(
            [found.experiment_id], f"attributes.status = 'RUNNING' and tags.`{RUN_TAG}` != ''"
        )
    return {
        run.data.tags[RUN_TAG]: MlflowTracker(client, tracking_uri, run.info.run_id, found.experiment_id)
        for run in runs
        if PARENT_TAG not in run.data.tags
    }
