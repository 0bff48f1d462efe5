"""What helm makes of the chart, as objects."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.check_chart import CHART, NAMESPACE, RELEASE, VALUES, program, template

__all__ = ["CHART", "NAMESPACE", "RELEASE", "VALUES"]

needs_helm = pytest.mark.skipif(
    program("helm") is None, reason="helm is not there (python tools/install_helm.py); nothing was rendered"
)
#: Everything that the chart can make, on top of the default values.
EVERYTHING: dict[str, Any] = {
    "apply": {"recipes": [{"name": "smoke"}, {"name": "own"}]},
    "recipes": {"own": "name: own\n"},
    "rbac": {"trainJobs": True, "pipelinesEditor": True},
    "teacher": {"enabled": True, "model": "team/teacher", "licence": "MIT"},
    "judge": {"enabled": True, "model": "team/judge"},
    "imagePullSecrets": ["registry"],
}
#: The least: everything that can be elsewhere is.
EXTERNAL = {
    "existingSecret": "keys",
    "minio": {"enabled": False},
    "postgres": {"enabled": False},
    "store": {"endpoint": "https://s3.example"},
    "mlflow": {
        "database": {"uri": "postgresql+psycopg2://mlflow@db.example:6432/mlflow", "existingSecret": "db"}
    },
}
CASES: dict[str, tuple[Path, Mapping[str, Any]]] = {
    **{path.stem: (path, {}) for path in VALUES},
    "everything": (CHART / "values.yaml", EVERYTHING),
    "external": (CHART / "values.yaml", EXTERNAL),
}


def helm(values: Path, change: Mapping[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`helm template` with a values file and changes to it."""
    sets = [f"--set-json={key}={json.dumps(value)}" for key, value in change.items()]
    return subprocess.run(
        template(values, *sets, *arguments), capture_output=True, text=True, check=False, timeout=60
    )


def render(change: Mapping[str, Any], values: Path = CHART / "values.yaml") -> list[dict[str, Any]]:
    """The chart's objects with changed values."""
    done = helm(values, change)
    assert done.returncode == 0, done.stderr
    return [item for item in yaml.safe_load_all(done.stdout) if item]


@cache
def _rendered(case: str) -> str:
    values, change = CASES[case]
    return json.dumps(render(change, values))


def objects_of(case: str) -> list[dict[str, Any]]:
    """The objects of one of CASES, rendered once."""
    found: list[dict[str, Any]] = json.loads(_rendered(case))
    return found


def named(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind and name."""
    [found] = [item for item in objects if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return found


def of_kind(objects: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """All objects of a kind."""
    return [item for item in objects if item["kind"] == kind]


def pods(objects: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every pod that the objects make: KIND/NAME, its metadata and its spec."""
    for item in objects:
        where = f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Pod":
            yield where, item["metadata"], item["spec"]
        elif item["kind"] in ("Deployment", "StatefulSet", "Job"):
            inner = item["spec"]["template"]
            yield where, inner["metadata"], inner["spec"]


def containers(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A pod's containers, those that prepare it first."""
    return [*spec.get("initContainers", []), *spec["containers"]]
