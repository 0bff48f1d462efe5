"""What MLflow, its HTTP client and its database report, as one clear error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gukbap.adapters.redaction import redacted
from gukbap.errors import StoreError

_WRITES = 10
#: SQLite's, PostgreSQL's and MySQL's words for a key that is taken, and the registry's for too many of them
_CONFLICT = re.compile(r"(?i)unique constraint|duplicate key|duplicate entry|creation error.*giving up")


def again_on_conflict(write: Callable[[], object]) -> None:
    """Repeat a write that met another one of the same row: MLflow looks first and inserts then, and
    reports the database's constraint as an error of the request."""
    from mlflow.exceptions import MlflowException

    for left in reversed(range(_WRITES)):
        try:
            write()
            return
        except MlflowException as error:
            if not left or not _CONFLICT.search(str(error)):
                raise


@contextmanager
def explained(uri: str) -> Iterator[None]:
    """Turn the errors of MLflow, its HTTP client, its database and its files into one StoreError."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:  # OSError: requests' errors too
        # Without the cause: its text may repeat a URL with its password.
        raise _trouble(uri, redacted(str(error))) from None


def _trouble(uri: str, said: str) -> StoreError:
    place = redacted(uri)
    first = said.strip().split("\n")[0][:300]
    if re.search(r"Connection|Max retries|timed out|Name or service|resolve", said):
        return StoreError(
            f"the MLflow server {place} does not answer",
            fix="check that it runs and that MLFLOW_TRACKING_URI or tracking.uri names it, "
            "or set tracking.enabled=false",
        )
    if "Host header" in said:
        return StoreError(
            f"the MLflow server {place} refuses the host name it was asked by",
            fix="start it with --allowed-hosts and that name",
        )
    if re.search(r"\b40[13]\b|UNAUTHENTICATED|PERMISSION_DENIED", said):
        return StoreError(
            f"the MLflow server {place} refuses access: {first}",
            fix="correct MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
        )
    if re.search(r"Run with id=\S+ not found|Run '\S+' not found", said):
        return StoreError(
            f"MLflow at {place} refuses: {first}",
            fix="see that MLFLOW_RUN_ID names a run of the server that MLFLOW_TRACKING_URI names",
        )
    return StoreError(f"MLflow at {place} refuses: {first}")
