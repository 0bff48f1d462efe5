"""Fixtures of the runners' tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import docker_images


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """A client of the Docker engine, on a machine with the project's images as the code is now."""
    if why := docker_images.missing():
        pytest.skip(why)
    docker_images.build_project_images("cpu", "train")
    import docker

    client = docker.from_env()
    yield client
    client.close()
