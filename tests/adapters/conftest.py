"""One MLflow server and one SQLite file for all tests of the adapters."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from gukbap.adapters.mlflow_tracker import MlflowTracker, open_run
from tests.servers import mlflow_server


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A real MLflow server."""
    with mlflow_server() as uri:
        yield uri


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite store in a folder that is not there yet."""
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'new' / 'mlflow.db'}"


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.mlflow)])
def uri(request: pytest.FixtureRequest) -> str:
    """Each of the two in turn."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def run(uri: str) -> MlflowTracker:
    """A new run."""
    return open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)
