"""`gukbap doctor --cluster`: every finding, well and wrong. The API server, the Pipelines API and the
registry are doubles of their edges, asked by the official clients; MLflow and S3 are the real servers."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from gukbap.adapters.cluster_checks import Subject, check_cluster
from gukbap.adapters.cluster_checks.registry import ImageName, image_name
from gukbap.adapters.findings import Finding
from gukbap.adapters.kubernetes_cluster import KubernetesCluster
from gukbap.cli.doctor import show_findings
from gukbap.recipes import load_recipe
from tests.kfp_server import kfp_server
from tests.kubernetes_server import NAMESPACE, ContractCluster, contract_cluster
from tests.registry_server import Registry, registry_server
from tests.servers import S3Server, free_ports, mlflow_server, seaweed_s3

GPU = "nvidia.com/gpu"
SECRET = "this-value-is-never-shown"


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def add_node(cluster: ContractCluster, name: str, *, gpus: int = 0, **changed: Any) -> dict[str, Any]:
    """A node that is big enough for every step of the card's recipe."""
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB"} if gpus else {}
    allocatable = {"cpu": "63500m", "memory": "500Gi", **({GPU: str(gpus)} if gpus else {})}
    taints = [{"key": GPU, "value": "present", "effect": "NoSchedule"}] if gpus else []
    return cluster.add(
        "nodes",
        name,
        labels=changed.get("labels", labels),
        spec={"taints": changed.get("taints", taints), "unschedulable": changed.get("cordoned", False)},
        status={
            "allocatable": allocatable | changed.get("allocatable", {}),
            "conditions": [{"type": "Ready", "status": changed.get("ready", "True")}],
        },
    )


@pytest.fixture
def cluster() -> Iterator[ContractCluster]:
    """A cluster that lacks nothing which the recipe of the card needs of the API server."""
    with contract_cluster() as server:
        add_node(server, "cpu-1")
        add_node(server, "gpu-1", gpus=4)
        keys = {"DEEPINFRA_API_KEY": base64_of(SECRET), "OPENAI_API_KEY": base64_of(SECRET)}
        server.add("secrets", "gukbap", type="Opaque", data=keys)
        addresses = {"MINIO_ENDPOINT": "http://minio:9000", "MLFLOW_TRACKING_URI": "http://mlflow:5000"}
        server.add("configmaps", "gukbap", data=addresses)
        status = {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "200Gi"}}
        claim = {"storageClassName": "nfs", "accessModes": ["ReadWriteMany"]}
        server.add("persistentvolumeclaims", "gukbap-work", spec=claim, status=status)
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        server.add("storageclasses", "nfs", provisioner="nfs", annotations=default)
        server.add("namespaces", NAMESPACE)
        yield server


@pytest.fixture
def registry() -> Iterator[Registry]:
    with registry_server() as server:
        server.images = {"team/gukbap-cpu:1"}
        yield server


def found(
    cluster: ContractCluster,
    *overrides: str,
    images: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    endpoint: str | None = None,
) -> dict[str, Finding]:
    """Name → finding."""
    subject = Subject(
        KubernetesCluster(cluster.client, NAMESPACE),
        load_recipe("gukbap-mistral-7b", ("tracking.enabled=false", *overrides)),
        images,
        environment or {},
        endpoint,
    )
    return {finding.name: finding for finding in check_cluster(subject)}


def assert_told(finding: Finding, status: str, *words: str) -> None:
    """A problem or warning names what is wrong, and what to do."""
    assert finding.status == status, finding
    told = f"{finding.detail} {finding.fix}"
    assert [word for word in words if word not in told] == [], told


def test_a_cluster_that_has_everything(cluster: ContractCluster, registry: Registry) -> None:
    with kfp_server() as kfp:
        kfp.version = "2.14.3"
        findings = found(cluster, images=(f"{registry.host}/team/gukbap-cpu:1",), endpoint=kfp.url)
    assert {name: f for name, f in findings.items() if f.status != "ok"} == {}
    assert len(findings) == 21
    assert "4" in findings["gpus"].detail
    assert "v1.31+" in findings["api"].detail
    assert findings["nodes for train"].detail == f"1 of 2 have room for 32 cpu, 256Gi memory, 4 {GPU}"
    assert findings["work claim"].detail == "gukbap-work is bound, ReadWriteMany, 200Gi"
    assert SECRET not in str(findings) and base64_of(SECRET) not in str(findings)


@pytest.mark.parametrize(
    ("minor", "status"), [("24", "problem"), ("25", "ok"), ("37+", "ok"), ("38", "warning")]
)
def test_versions_of_kubernetes(cluster: ContractCluster, minor: str, status: str) -> None:
    cluster.version = ("1", minor)
    assert_told(found(cluster)["api"], status, minor)


def test_an_api_server_that_is_not_there_hides_nothing_else(cluster: ContractCluster) -> None:
    from kubernetes import client

    configuration = client.Configuration()
    (port,) = free_ports(1)
    configuration.host, configuration.retries = f"http://127.0.0.1:{port}", False
    cluster.client = client.ApiClient(configuration)
    with kfp_server() as kfp:
        kfp.version = "2.15.0"
        findings = found(cluster, endpoint=kfp.url)
    assert_told(findings["api"], "problem", "does not answer")
    assert_told(findings["secret"], "warning", "not checked")
    assert findings["pipelines"].status == "ok"
    assert len(findings) == 14


def test_missing_rights(cluster: ContractCluster) -> None:
    cluster.forbidden |= {"list pods", "delete jobs", "list jobs", "create trainjobs", "get pods/log"}
    assert_told(found(cluster)["rights"], "problem", "list pods", "list, delete jobs.batch", "bind a Role")
    assert "trainjobs" not in found(cluster)["rights"].detail
    over_nodes = found(cluster, "cluster.trainer=trainjob")["rights"]
    assert_told(over_nodes, "problem", "create trainjobs.trainer.kubeflow.org", "get pods/log")


def test_what_may_not_be_read_is_not_called_wrong(cluster: ContractCluster) -> None:
    cluster.forbidden |= {"list nodes", "get secrets", "get configmaps", "list storageclasses"}
    findings = found(cluster)
    for name in ("nodes", "secret", "config map", "storage class"):
        assert_told(findings[name], "warning", "not checked", "may not")
    assert findings["work claim"].status == "ok"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"labels": {}}, "2 without the label nvidia.com/gpu.product=NVIDIA-A100-SXM4-40GB"),
        ({"cordoned": True}, "1 cordoned"),
        ({"ready": "Unknown"}, "1 not ready"),
        (
            {"taints": [{"key": "team", "effect": "NoExecute"}]},
            "with the taint team:NoExecute",
        ),
        ({"allocatable": {GPU: "2"}}, f"1 with less than 4 {GPU}"),
        ({"allocatable": {"memory": "261120Mi"}}, "1 with less than 256Gi memory"),
        ({"allocatable": {"cpu": "31900m"}}, "1 with less than 32 cpu"),
    ],
)
def test_why_no_node_fits(cluster: ContractCluster, changed: dict[str, Any], reason: str) -> None:
    add_node(cluster, "gpu-1", gpus=4, **changed)
    findings = found(cluster)
    assert_told(findings["nodes for train"], "problem", reason, "cluster.train")
    assert findings["nodes for judge"].status == "ok"


def test_gpus_that_are_not_there(cluster: ContractCluster) -> None:
    del cluster.objects["nodes", "gpu-1"]
    assert_told(found(cluster)["gpus"], "problem", "none of 1 nodes", GPU, "device plugin")
    assert_told(found(cluster)["nodes for infer"], "problem", "no room for")


def test_several_nodes_are_counted(cluster: ContractCluster) -> None:
    two = ("cluster.trainer=trainjob", "cluster.nodes=2")
    cluster.add("clustertrainingruntimes", "torch-distributed")
    assert_told(found(cluster, *two)["nodes for train"], "problem", "2 pods", "there is room for 1")
    add_node(cluster, "gpu-2", gpus=4)
    findings = found(cluster, *two)
    assert findings["nodes for train"].status == findings["training runtime"].status == "ok"
    del cluster.objects["clustertrainingruntimes", "torch-distributed"]
    assert_told(
        found(cluster, *two)["training runtime"], "problem", "torch-distributed", "install Kubeflow Trainer"
    )


def test_secrets(cluster: ContractCluster) -> None:
    data = cluster.objects["secrets", "gukbap"]["data"]
    data["OPENAI_API_KEY"] = ""
    assert_told(found(cluster)["secret"], "problem", "OPENAI_API_KEY (the judge)")
    stored = found(cluster, "store.url=s3://models/x")["secret"]
    assert_told(stored, "problem", "MINIO_ACCESS_KEY (the bucket)", "MINIO_SECRET_KEY (the bucket)")
    del cluster.objects["secrets", "gukbap"]
    assert_told(found(cluster)["secret"], "problem", "there is no secret gukbap", "--from-env-file=keys.env")


def test_pull_secrets(cluster: ContractCluster) -> None:
    named = "cluster.image_pull_secret=registry"
    assert_told(found(cluster, named)["pull secret"], "problem", "no secret registry", "docker-registry")
    cluster.add("secrets", "registry", type="Opaque", data={})
    assert_told(found(cluster, named)["pull secret"], "problem", "of the type Opaque")
    cluster.add("secrets", "registry", type="kubernetes.io/dockerconfigjson", data={})
    assert found(cluster, named)["pull secret"].status == "ok"


def test_config_map(cluster: ContractCluster) -> None:
    del cluster.objects["configmaps", "gukbap"]
    told = found(cluster, "tracking.enabled=true")["config map"]
    assert_told(told, "warning", "MLFLOW_TRACKING_URI (nothing is tracked)", "MINIO_ENDPOINT", "platform.*")


def test_work_claims(cluster: ContractCluster) -> None:
    claim = cluster.objects["persistentvolumeclaims", "gukbap-work"]
    claim["status"]["accessModes"] = ["ReadWriteOnce"]
    assert_told(found(cluster)["work claim"], "problem", "is ReadWriteOnce", "ReadWriteMany")
    claim["status"] = {"phase": "Pending"}
    assert_told(found(cluster)["work claim"], "warning", "Pending, not Bound", "kubectl describe pvc")
    claim["status"] = {"phase": "Lost"}
    assert_told(found(cluster)["work claim"], "problem", "lost its volume")
    del cluster.objects["persistentvolumeclaims", "gukbap-work"]
    assert_told(found(cluster)["work claim"], "problem", "no claim gukbap-work", "workClaim")
    assert_told(found(cluster, "cluster.work_claim=null")["work claim"], "warning", "starts anew")


def test_storage_classes(cluster: ContractCluster) -> None:
    cluster.objects["storageclasses", "nfs"]["metadata"]["annotations"] = {}
    assert_told(found(cluster)["storage class"], "warning", "nfs; none is the default")
    claim = cluster.objects["persistentvolumeclaims", "gukbap-work"]
    claim["status"], claim["spec"]["storageClassName"] = {"phase": "Pending"}, "fast"
    assert_told(found(cluster)["storage class"], "problem", "asks for fast", "choose one of nfs")
    claim["spec"]["storageClassName"] = None
    del cluster.objects["storageclasses", "nfs"]
    assert_told(found(cluster)["storage class"], "warning", "has none", "provisioner")


def test_pod_security(cluster: ContractCluster) -> None:
    label = "pod-security.kubernetes.io/enforce"
    cluster.objects["namespaces", NAMESPACE]["metadata"]["labels"] = {label: "baseline"}
    assert found(cluster)["pod security"].detail == f"{NAMESPACE} enforces baseline"
    cluster.objects["namespaces", NAMESPACE]["metadata"]["labels"] = {label: "restricted"}
    assert_told(found(cluster)["pod security"], "warning", "restricted", "PodSecurity")
    del cluster.objects["namespaces", NAMESPACE]
    assert_told(found(cluster)["pod security"], "problem", "no namespace", "kubectl create namespace")


def test_images(cluster: ContractCluster, registry: Registry) -> None:
    there, missing = (f"{registry.host}/team/gukbap-{name}:1" for name in ("cpu", "train"))
    (port,) = free_ports(1)
    elsewhere = f"127.0.0.1:{port}/team/gukbap-vllm:1"
    findings = found(cluster, images=(there, missing, elsewhere))
    assert findings[f"image {there}"].status == "ok"
    assert_told(findings[f"image {missing}"], "problem", "has no team/gukbap-train:1", "make images")
    assert_told(findings[f"image {elsewhere}"], "warning", "not checked")
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off"}}}
    status = {"name": "main", "image": elsewhere, "imageID": "", "ready": False, "restartCount": 0, **waiting}
    cluster.add(
        "pods",
        "x",
        spec={"containers": [{"name": "main", "image": elsewhere}]},
        status={"phase": "Pending", "containerStatuses": [status]},
    )
    assert_told(found(cluster, images=(elsewhere,))[f"image {elsewhere}"], "problem", "ImagePullBackOff")


def test_an_image_of_a_private_registry(cluster: ContractCluster, registry: Registry) -> None:
    registry.login = f"robot:{SECRET}"
    image = f"{registry.host}/team/gukbap-cpu:1"
    named = "cluster.image_pull_secret=registry"
    refused = found(cluster, images=(image,))[f"image {image}"]
    assert_told(refused, "problem", "refuses", "cluster.image_pull_secret")
    config = {"auths": {registry.host: {"username": "robot", "password": SECRET}}}
    data = {".dockerconfigjson": base64_of(json.dumps(config))}
    cluster.add("secrets", "registry", type="kubernetes.io/dockerconfigjson", data=data)
    findings = found(cluster, named, images=(image,))
    assert findings[f"image {image}"].status == "ok"
    assert SECRET not in str(findings)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("gukbap/gukbap-cpu:0.1.0", ImageName("docker.io", "gukbap/gukbap-cpu", "0.1.0")),
        ("python", ImageName("docker.io", "library/python", "latest")),
        ("localhost:5000/x", ImageName("localhost:5000", "x", "latest")),
        ("r.example/a/b:1@sha256:ab", ImageName("r.example", "a/b", "sha256:ab")),
    ],
)
def test_image_references(reference: str, name: ImageName) -> None:
    assert image_name(reference) == name


def test_pipelines(cluster: ContractCluster) -> None:
    assert_told(found(cluster)["pipelines"], "warning", "not checked", "port-forward")
    with kfp_server() as kfp:
        assert_told(found(cluster, endpoint=kfp.url)["pipelines"], "warning", "version unknown", "2.14")
        kfp.version = "2.9.0"
        assert_told(found(cluster, endpoint=kfp.url)["pipelines"], "problem", "2.9.0", "upgrade")
        kfp.forbidden = True
        assert_told(found(cluster, endpoint=kfp.url)["pipelines"], "problem", "does not allow")
    assert_told(found(cluster, endpoint=kfp.url)["pipelines"], "problem", "cannot be reached")


@pytest.mark.mlflow
def test_mlflow(cluster: ContractCluster) -> None:
    on = "tracking.enabled=true"
    with mlflow_server() as uri:
        forwarded = {"MLFLOW_TRACKING_URI": uri}
        refused = found(cluster, on, environment=forwarded)["mlflow"]
        assert_told(refused, "problem", "403", "mlflow:5000", "--allowed-hosts 'mlflow:*")
        cluster.objects["configmaps", "gukbap"]["data"]["MLFLOW_TRACKING_URI"] = uri
        assert found(cluster, on)["mlflow"].status == "ok"
        elsewhere = {"MLFLOW_TRACKING_URI": f"{uri}/elsewhere"}
        assert_told(
            found(cluster, on, environment=elsewhere)["mlflow"], "problem", "correct MLFLOW_TRACKING_URI"
        )
    assert_told(found(cluster, on)["mlflow"], "warning", "not checked", "port-forward")
    inside = {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert_told(found(cluster, on, environment=inside)["mlflow"], "problem", "does not answer")


@pytest.mark.s3
def test_buckets(cluster: ContractCluster) -> None:
    url = "store.url=s3://models/runs"
    assert_told(found(cluster, url)["bucket"], "warning", "not checked", "MINIO_ENDPOINT")
    with seaweed_s3() as s3:
        assert_told(found(cluster, url, environment=keys(s3))["bucket"], "problem", "no such bucket")
        there = "store.url=s3://readiness/runs"
        assert found(cluster, there, environment=keys(s3))["bucket"].status == "ok"
        reader = keys(s3) | {
            "MINIO_ACCESS_KEY": s3.reader_access_key,
            "MINIO_SECRET_KEY": s3.reader_secret_key,
        }
        told = found(cluster, there, environment=reader)["bucket"]
        assert_told(told, "problem", "AccessDenied", "let the keys get, put and delete")
        wrong = keys(s3) | {"MINIO_SECRET_KEY": SECRET}
        told = found(cluster, there, environment=wrong)["bucket"]
        assert told.status == "problem" and SECRET not in str(told)
    assert_told(found(cluster, there, environment=keys(s3))["bucket"], "problem", "does not answer")


def keys(s3: S3Server) -> dict[str, str]:
    return {
        "MINIO_ENDPOINT": s3.endpoint,
        "MINIO_ACCESS_KEY": s3.access_key,
        "MINIO_SECRET_KEY": s3.secret_key,
    }


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warning", 0), ("problem", 1)])
def test_exit_codes(status: Any, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        left: list[int] = []
        patch.setattr("sys.exit", left.append)
        show_findings([Finding("x", status, "detail", "fix")], as_json=True)
    assert left == [code] * code
    assert json.loads(capsys.readouterr().out) == [
        {"name": "x", "status": status, "detail": "detail", "fix": "fix"}
    ]
