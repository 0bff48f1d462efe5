"""The cluster adapter against a contract server, through the official client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters import kubernetes_cluster
from gukbap.adapters.kubernetes_cluster import KubernetesCluster, Owner, open_cluster, own_namespace
from gukbap.adapters.kubernetes_errors import ClusterUnreachableError, MissingRightError
from gukbap.adapters.kubernetes_pods import RunPod
from gukbap.errors import GukbapError
from tests.kubernetes_server import NAMESPACE, USER, ContractCluster, contract_cluster

RUN = "3f1c9e6a-7c2b-4f0e-9d0a-0d8a2f7f1b11"
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def server() -> Iterator[ContractCluster]:
    with contract_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(server: ContractCluster) -> KubernetesCluster:
    opened = open_cluster(server.client, NAMESPACE)
    assert opened
    return opened


def pod(
    server: ContractCluster,
    name: str,
    *,
    state: dict[str, Any] | None = None,
    step: str | None = "generate",
    labels: dict[str, str] | None = None,
    **status: Any,
) -> None:
    """A pod as Kubeflow Pipelines makes them: the user's container is called main."""
    node = f"gukbap-x7k2p.root.exit-handler-1.{step}.executor(0)" if step else "gukbap-x7k2p.root-driver"
    container = {"name": "main", "image": "registry/gukbap-cpu:0.1.0", "imageID": f"registry/x@{DIGEST}"}
    container |= {"ready": False, "restartCount": 0, "state": state or {}}  # type: ignore[dict-item]
    wait = {"name": "wait", "image": "argoexec", "imageID": "", "ready": True, "restartCount": 0}
    server.add(
        "pods",
        name,
        labels={"pipeline/runid": RUN} if labels is None else labels,
        annotations={"workflows.argoproj.io/node-name": node},
        spec={
            "containers": [
                {"name": "wait", "image": "argoexec"},
                {"name": "main", "image": "registry/gukbap-cpu:0.1.0"},
            ]
        },
        status={"phase": "Running", "containerStatuses": [wait, container], **status},
    )


def only(pods: list[RunPod]) -> RunPod:
    """The one pod of a list."""
    (found,) = pods
    return found


def test_a_runs_pods_with_the_image_that_really_ran(
    server: ContractCluster, cluster: KubernetesCluster
) -> None:
    pod(server, "b")
    pod(server, "a", step=None)
    pod(server, "another-runs", labels={"pipeline/runid": "another"})
    first, second = cluster.pods_of_run(RUN)
    assert first.name == "a" and first.step is None
    assert second == RunPod("b", "generate", "Running", "registry/gukbap-cpu:0.1.0", DIGEST, None, None)


def test_training_nodes_belong_to_the_run_too(server: ContractCluster, cluster: KubernetesCluster) -> None:
    pod(server, "node-0", labels={"gukbap.dev/run": RUN, "gukbap.dev/step": "train"})
    assert only(cluster.pods_of_run(RUN)).step == "train"


@pytest.mark.parametrize(
    ("given", "reason", "message"),
    [
        (
            {"state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "phase": "Failed"},
            "OOMKilled",
            "exit code 137",
        ),
        (
            {"state": {"terminated": {"exitCode": 2, "reason": "Error", "message": "no seeds\n"}}},
            "Error",
            "exit code 2: no seeds",
        ),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."},
            "Evicted",
            "The node was low on resource: memory.",
        ),
        (
            {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"},
            "DeadlineExceeded",
            "Pod was active too long",
        ),
        (
            {"phase": "Pending", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no image"}}},
            "ImagePullBackOff",
            "no image",
        ),
        ({"phase": "Pending", "state": {"waiting": {"reason": "ContainerCreating"}}}, None, None),
        ({"phase": "Succeeded", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}, None, None),
        (
            {
                "phase": "Pending",
                "containerStatuses": None,
                "conditions": [
                    {
                        "type": "PodScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
                    }
                ],
            },
            "Unschedulable",
            "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
        ),
    ],
)
def test_why_a_pod_failed_or_does_not_start(
    server: ContractCluster,
    cluster: KubernetesCluster,
    given: dict[str, Any],
    reason: str | None,
    message: str | None,
) -> None:
    pod(server, "a", **given)
    found = only(cluster.pods_of_run(RUN))
    assert (found.reason, found.message) == (reason, message)


def test_a_missing_right_is_named(server: ContractCluster, cluster: KubernetesCluster) -> None:
    server.forbidden.add("list pods")
    with pytest.raises(MissingRightError) as raised:
        cluster.pods_of_run(RUN)
    assert f"{USER} may not list pods in the namespace {NAMESPACE}" in raised.value.problem
    assert raised.value.expected == 'a Role with apiGroups [""], resources ["pods"], verbs ["list"]'


def test_a_server_that_is_not_there_is_said_to_be_unreachable(server: ContractCluster) -> None:
    server.client.configuration.host = "http://127.0.0.1:9"
    server.client.configuration.retries = False
    with pytest.raises(ClusterUnreachableError, match="does not answer"):
        KubernetesCluster(server.client, NAMESPACE).pods_of_run(RUN)


def test_the_api_server_may_be_busy(server: ContractCluster, cluster: KubernetesCluster) -> None:
    server.failing = 1
    with pytest.raises(ClusterUnreachableError, match="503"):
        cluster.pods_of_run(RUN)
    assert cluster.pods_of_run(RUN) == []


def filled(server: ContractCluster) -> None:
    for plural in ("trainjobs", "jobs", "deployments", "services"):
        server.add(plural, f"ours-{plural}", labels={"gukbap.dev/run": RUN})
        server.add(plural, f"theirs-{plural}", labels={"gukbap.dev/run": "another"})


def test_a_run_leaves_nothing_of_its_own(server: ContractCluster, cluster: KubernetesCluster) -> None:
    filled(server)
    assert sorted(cluster.remove_of_run(RUN)) == [
        "deployment/ours-deployments",
        "job/ours-jobs",
        "service/ours-services",
        "trainjob/ours-trainjobs",
    ]
    assert all(name.startswith("theirs") for _, name in server.objects)
    # Jobs would orphan their pods by default; TrainJobs keep their name until the last pod is gone.
    assert server.policies["jobs/ours-jobs"] == "Background"
    assert server.policies["deployments/ours-deployments"] == "Background"
    assert server.policies["trainjobs/ours-trainjobs"] == "Foreground"
    assert cluster.remove_of_run(RUN) == []


def test_a_cluster_without_kubeflow_trainer_is_cleaned_too(
    server: ContractCluster, cluster: KubernetesCluster
) -> None:
    filled(server)
    server.unknown.add("trainjobs")
    assert len(cluster.remove_of_run(RUN)) == 3


def test_one_missing_right_does_not_keep_the_rest(
    server: ContractCluster, cluster: KubernetesCluster
) -> None:
    filled(server)
    server.forbidden |= {"delete trainjobs", "list services"}
    with pytest.raises(MissingRightError) as raised:
        cluster.remove_of_run(RUN)
    assert f"may not delete trainjobs.trainer.kubeflow.org in the namespace {NAMESPACE}" in str(raised.value)
    assert "may not list services" in str(raised.value)
    assert not {"ours-jobs", "ours-deployments"} & {name for _, name in server.objects}


def test_a_pod_knows_its_service_account_and_workflow(
    server: ContractCluster, cluster: KubernetesCluster
) -> None:
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u-1"}
    pod(server, "own")
    server.objects["pods", "own"]["metadata"]["ownerReferences"] = [workflow]
    server.objects["pods", "own"]["spec"]["serviceAccountName"] = "pipeline-runner"
    own = cluster.own_pod("own")
    assert own.service_account == "pipeline-runner"
    assert own.owner == Owner("argoproj.io/v1alpha1", "Workflow", "w", "u-1")


def test_outside_of_a_cluster_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert open_cluster() is None


def test_a_pod_without_a_token_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    with pytest.raises(GukbapError, match="has no service account"):
        open_cluster()


def test_the_namespace_is_the_pods_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    monkeypatch.setattr(kubernetes_cluster, "_NAMESPACE_FILE", file)
    monkeypatch.delenv("POD_NAMESPACE", raising=False)
    with pytest.raises(GukbapError, match="namespace is not known"):
        own_namespace()
    file.write_text("team-b\n")
    assert own_namespace() == "team-b"
    monkeypatch.setenv("POD_NAMESPACE", "team-c")
    assert own_namespace() == "team-c"
