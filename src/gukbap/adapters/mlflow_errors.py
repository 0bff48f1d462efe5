"""What MLflow, its HTTP client and its database report, as one clear error."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from gukbap.adapters.redaction import redacted
from gukbap.errors import StoreError


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
    return StoreError(f"MLflow at {place} refuses: {first}")
