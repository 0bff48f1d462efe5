"""MLflow's explicit client, without a global active run, and the experiment that runs are kept in."""

from __future__ import annotations

import logging
import os
from typing import Any

from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_sqlite import sqlite_folder
from gukbap.errors import StoreError

#: MLflow's own defaults wait for minutes; a value that the user has set stands.
_PATIENCE = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # Bars of a file's download stand between our own lines.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Links to runs are printed on stdout, where `--json` output stands.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


def open_client(uri: str) -> Any:
    """A client of the tracking server and of the model registry at `uri`.

    Raises:
        StoreError: mlflow is not installed, or the URI is none that it knows.
    """
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
        return MlflowClient(tracking_uri=uri, registry_uri=uri)


def find_experiment(client: Any, name: str, uri: str) -> str:
    """The id of the experiment `name`, which is made where it is missing.

    Raises:
        StoreError: it is deleted, which keeps its name taken.
    """
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
