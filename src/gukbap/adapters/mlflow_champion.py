"""What a registry knows of its champion, read without writing anything."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gukbap.adapters.mlflow_client import open_client
from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_promotions import CHAMPION
from gukbap.adapters.mlflow_registry import fetch_judgements
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_versions import aliases


@dataclass(frozen=True)
class Champion:
    """A model's champion; `judged`: its judgements were fetched."""

    version: int
    judged: bool


def fetch_champion(uri: str, model: str, judgements: Path) -> Champion | None:
    """The version that the alias leads to, and its judgements as the file `judgements`.

    Returns:
        None where the model or the alias is not there.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    from mlflow.exceptions import MlflowException

    client = open_client(uri)
    with alone(uri), explained(uri):
        try:
            version = aliases(client, model).get(CHAMPION)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return None
        if version is None:
            return None
        return Champion(version, fetch_judgements(client, model, version, judgements) is not None)
