"""Settings for all tests: nothing leaves the machine, nothing of the user's is touched."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests import docker_images

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
# A judge's reply that one test paid for is none of another's.
_JUDGE_CACHE = tempfile.TemporaryDirectory(prefix="gukbap-judge-cache-")  # goes with the process
os.environ["GUKBAP_JUDGE_CACHE"] = _JUDGE_CACHE.name
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the Docker engine, on a machine with the project's images as the code is now."""
    if why := docker_images.missing():
        pytest.skip(why)
    docker_images.build_project_images("cpu", "train", "mlflow")
    import docker

    client = docker.from_env()
    yield client
    client.close()
