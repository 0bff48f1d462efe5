"""Secrets: random, made once, kept over upgrades, and nowhere else than in Secrets."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.api_server import ApiServer, api_server
from tests.helm.rendering import (
    CASES,
    CHART,
    NAMESPACE,
    RELEASE,
    containers,
    helm,
    needs_helm,
    objects_of,
    of_kind,
    pods,
)

pytestmark = needs_helm
MADE = {
    "gukbap": {"MINIO_ACCESS_KEY": 20, "MINIO_SECRET_KEY": 40, "VLLM_API_KEY": 40},
    "trial-minio": {"MINIO_ROOT_USER": 20, "MINIO_ROOT_PASSWORD": 40},
    "trial-postgres": {"POSTGRES_PASSWORD": 40},
}
SECRET_NAME = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER|API_KEY|TOKEN")


def secrets_of(objects: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    return {item["metadata"]["name"]: item["data"] for item in of_kind(objects, "Secret")}


def test_secrets_are_random_and_stay_where_the_release_goes() -> None:
    first, again = (
        [item for item in yaml.safe_load_all(helm(CHART / "values.yaml", {}).stdout) if item]
        for _ in range(2)
    )
    found = {
        name: {key: len(base64.b64decode(value)) for key, value in data.items()}
        for name, data in secrets_of(first).items()
    }
    assert found == MADE
    for item in of_kind(first, "Secret"):
        assert item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    values = [value for data in secrets_of(first).values() for value in data.values()]
    assert len(set(values)) == len(values)
    assert not set(values) & {value for data in secrets_of(again).values() for value in data.values()}


@pytest.mark.parametrize("case", CASES)
def test_no_secret_value_stands_outside_of_secrets(case: str) -> None:
    objects = objects_of(case)
    rest = json.dumps([item for item in objects if item["kind"] != "Secret"])
    for data in secrets_of(objects).values():
        for value in data.values():
            assert value not in rest
            assert base64.b64decode(value).decode() not in rest
    for where, _, spec in pods(objects):
        for container in containers(spec):
            for variable in container.get("env", []):
                if SECRET_NAME.search(variable["name"]) or variable["name"] == "PGPASSWORD":
                    assert "value" not in variable, (where, variable["name"])
                    assert set(variable["valueFrom"]) == {"secretKeyRef"}
            # Kubernetes would put $(NAME) of a variable into an argument.
            arguments = " ".join([*container.get("command", []), *container.get("args", [])])
            assert "$(" not in arguments, where


def test_secrets_that_exist_are_used_and_none_is_made_for_them() -> None:
    assert secrets_of(objects_of("values-airgapped")) == {}
    assert secrets_of(objects_of("external")) == {}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ApiServer]:
    with api_server(tmp_path) as double:
        yield double


def upgrade(server: ApiServer) -> tuple[int, dict[str, dict[str, str]], str]:
    """What helm renders when it asks a cluster: exit code, secrets, messages."""
    # The double has no OpenAPI; manifests are held against schemas elsewhere.
    flags = ["--dry-run=server", "--disable-openapi-validation", f"--kubeconfig={server.kubeconfig}"]
    done = helm(CHART / "values.yaml", {}, *flags)
    objects = [item for item in yaml.safe_load_all(done.stdout) if item]
    return done.returncode, secrets_of(objects), done.stderr


def put(server: ApiServer, name: str, data: dict[str, str], release: str = RELEASE) -> None:
    """A secret as helm leaves it in a cluster."""
    annotations = {"meta.helm.sh/release-name": release, "meta.helm.sh/release-namespace": NAMESPACE}
    metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations}
    metadata["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    server.secrets[NAMESPACE, name] = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata} | (
        {"data": data} if data else {}
    )


def test_an_upgrade_keeps_the_secrets_that_the_cluster_holds(server: ApiServer) -> None:
    code, first, said = upgrade(server)
    assert code == 0, said
    for name, data in first.items():
        put(server, name, data)
    code, second, said = upgrade(server)
    assert code == 0, said
    assert set(second) == set(MADE)
    assert second == first
    assert [request for request in server.requests if not request.startswith("GET ")] == []


def test_an_upgrade_adds_the_keys_that_are_missing_and_no_others(server: ApiServer) -> None:
    kept, own = base64.b64encode(b"kept").decode(), base64.b64encode(b"a key of one's own").decode()
    put(server, "gukbap", {"MINIO_ACCESS_KEY": kept, "OPENAI_API_KEY": own})
    put(server, "trial-minio", {})
    code, found, said = upgrade(server)
    assert code == 0, said
    assert found["gukbap"]["MINIO_ACCESS_KEY"] == kept
    assert {name: set(data) for name, data in found.items()} == {
        name: set(keys) for name, keys in MADE.items()
    }
    assert own not in json.dumps(found)


def test_a_secret_of_others_is_never_taken_over(server: ApiServer) -> None:
    put(server, "gukbap", {"OPENAI_API_KEY": base64.b64encode(b"x").decode()}, release="other")
    code, _, said = upgrade(server)
    assert code != 0
    assert "the secret gukbap is there already and is not of this release" in said
    assert "existingSecret" in said
