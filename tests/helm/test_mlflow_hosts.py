"""MLflow's Host check and probes as the chart sets them, on a real MLflow server."""

from __future__ import annotations

from typing import Any

import pytest

from gukbap.adapters.mlflow_probe import PATH, ask_mlflow
from tests.helm.rendering import containers, named, needs_helm, objects_of, render
from tests.servers import mlflow_server

pytestmark = needs_helm
OWN = {
    "trial-mlflow:*",
    "trial-mlflow.team-a:*",
    "trial-mlflow.team-a.svc:*",
    "trial-mlflow.team-a.svc.cluster.local:*",
    "localhost:*",
    "127.0.0.1:*",
}


def server_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    [container] = named(objects, "Deployment", "trial-mlflow")["spec"]["template"]["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def hosts_of(objects: list[dict[str, Any]]) -> str:
    [found] = [text for text in server_of(objects)["args"] if text.startswith("--allowed-hosts=")]
    return str(found.removeprefix("--allowed-hosts="))


def test_every_name_of_the_service_and_of_the_values_is_allowed() -> None:
    assert set(hosts_of(objects_of("values")).split(",")) == OWN
    more = {"mlflow": {"allowedHosts": ["mlflow.example", "*.nlp.example:*"]}, "clusterDomain": "corp.lan"}
    found = set(hosts_of(render(more)).split(","))
    assert found - OWN == {"mlflow.example", "*.nlp.example:*", "trial-mlflow.team-a.svc.corp.lan:*"}


def test_probes_ask_for_the_interface_by_an_allowed_name() -> None:
    container = server_of(objects_of("values"))
    for kind in ("startupProbe", "readinessProbe"):
        asked = container[kind]["httpGet"]
        assert asked["path"] == PATH
        assert asked["httpHeaders"] == [{"name": "Host", "value": "trial-mlflow:5000"}]


def test_the_database_is_brought_up_to_date_first_and_no_password_is_in_its_address() -> None:
    spec = named(objects_of("values"), "Deployment", "trial-mlflow")["spec"]["template"]["spec"]
    first = containers(spec)[0]
    assert first["args"][:2] == ["db", "upgrade"]
    assert first["args"][2] == "postgresql+psycopg2://mlflow@trial-postgres:5432/mlflow"
    env = {variable["name"]: variable for variable in server_of(objects_of("external"))["env"]}
    assert env["MLFLOW_BACKEND_STORE_URI"]["value"].endswith("@db.example:6432/mlflow")
    assert env["PGPASSWORD"]["valueFrom"]["secretKeyRef"] == {"name": "db", "key": "PGPASSWORD"}
    assert env["MLFLOW_S3_ENDPOINT_URL"]["value"] == "https://s3.example"


@pytest.mark.mlflow
def test_a_real_server_answers_its_names_and_refuses_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", hosts_of(objects_of("values")))
    header = server_of(objects_of("values"))["readinessProbe"]["httpGet"]["httpHeaders"][0]["value"]
    with mlflow_server() as uri:
        names = [name.replace(":*", ":5000") for name in sorted(OWN)]
        for host in [header, *names]:
            assert ask_mlflow(uri, host=host).works, host
        # What kubelet would say by itself, and what a rebound name would.
        for host in ("10.1.2.3:5000", "evil.example:5000"):
            assert ask_mlflow(uri, host=host).refuses_host, host
