"""Logs of a step on Kubeflow Pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gukbap.adapters.kfp import Connection, apply, submit
from gukbap.adapters.kfp import logs as kfp_logs
from gukbap.adapters.kfp.logs import StepLog
from gukbap.errors import ClusterError, UsageError
from tests.adapters.kfp_helpers import connection_to, package, recipe
from tests.adapters.test_kfp_runs import IMPL, nodes_of, pod
from tests.kfp_server import kfp_server
from tests.kfp_server_rules import Node, pod_of
from tests.kfp_server_state import KfpServer, workflow_of


@pytest.fixture(autouse=True)
def _no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server() as server:
        yield server


@pytest.fixture
def connection(kfp: KfpServer, tmp_path: Path) -> Connection:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    return connection


@pytest.fixture
def run_id(connection: Connection) -> str:
    return submit(connection, "smoke", {}, experiment="gukbap", run_name="mine").id


def keep_log(kfp: KfpServer, run_id: str, node: Node, text: str) -> str:
    """Give a pod a log; returns the pod."""
    name = pod_of(workflow_of(run_id), node)
    kfp.logs[name] = text
    return name


@pytest.mark.parametrize("step", ["train", "work-2"])
@pytest.mark.parametrize("by_name", [False, True])
def test_a_step_is_found_by_display_name_and_by_task(
    kfp: KfpServer, connection: Connection, run_id: str, step: str, by_name: bool
) -> None:
    node = pod("work-2", "Succeeded")
    kfp.nodes[run_id] = nodes_of("work-2", "Succeeded", node)
    keep_log(kfp, run_id, node, "손실 1.5\nloss 1.4\n")
    log = StepLog(connection, "mine" if by_name else run_id, step)
    assert "".join(log.pieces(follow=False)) == "손실 1.5\nloss 1.4\n"


def test_the_last_attempt_s_log_is_shown(kfp: KfpServer, connection: Connection, run_id: str) -> None:
    template = f"retry-{IMPL}"
    attempts = [Node(f"root.work-2.executor({n})", "Failed", "Pod", template) for n in (0, 10, 9)]
    kfp.nodes[run_id] = nodes_of("work-2", "Failed", *attempts)
    for node in attempts:
        keep_log(kfp, run_id, node, node.path)
    assert StepLog(connection, run_id, "train").text() == "root.work-2.executor(10)"


def test_following_a_log_gives_what_is_new_and_goes_on_to_the_next_attempt(
    kfp: KfpServer, connection: Connection, run_id: str
) -> None:
    first, second = pod("work-2", "Running", 0), pod("work-2", "Running", 1)
    kfp.nodes[run_id] = nodes_of("work-2", "Running")
    looks = 0

    def on_request(request: str) -> None:
        nonlocal looks
        if not request.startswith("GET /apis/v1beta1"):
            return
        looks += 1
        if looks == 2:
            kfp.nodes[run_id] = nodes_of("work-2", "Running", first)
            keep_log(kfp, run_id, first, "one\n")
        elif looks == 3:
            keep_log(kfp, run_id, first, "one\ntwo\n")
        elif looks == 4:
            kfp.nodes[run_id] = nodes_of("work-2", "Running", first, second)
            keep_log(kfp, run_id, second, "three\n")
        elif looks == 6:
            keep_log(kfp, run_id, second, "three\nfour\n")
            kfp.nodes[run_id] = nodes_of("work-2", "Succeeded", first, second)

    kfp.on_request = on_request
    pieces = StepLog(connection, run_id, "train").pieces(follow=True, interval=0.01)
    assert list(pieces) == ["one\n", "two\n", "three\n", "four\n"]


def test_an_error_with_status_200_is_no_log(kfp: KfpServer, connection: Connection, run_id: str) -> None:
    node = pod("work-2", "Succeeded")
    kfp.nodes[run_id] = nodes_of("work-2", "Succeeded", node)
    name = pod_of(workflow_of(run_id), node)
    with pytest.raises(ClusterError, match="neither Kubeflow Pipelines nor Kubernetes has the log") as caught:
        StepLog(connection, run_id, "train").text()
    assert f"{name}/main.log" in str(caught.value)
    said = 'sent before\n{"error_message":"stream broke","error_details":"stream broke"}'
    kfp.logs[name] = said
    assert StepLog(connection, run_id, "train").text() == "sent before\n"
    kfp.logs[name] = 'a line with {"error_message": in it\n'
    assert StepLog(connection, run_id, "train").text() == kfp.logs[name]


def test_a_page_of_the_ui_is_no_log(kfp: KfpServer, connection: Connection, run_id: str) -> None:
    node = pod("work-2", "Succeeded")
    kfp.nodes[run_id] = nodes_of("work-2", "Succeeded", node)
    keep_log(kfp, run_id, node, "<!doctype html><html>Kubeflow Pipelines</html>")
    with pytest.raises(ClusterError, match="neither Kubeflow Pipelines nor Kubernetes"):
        StepLog(connection, run_id, "train").text()


def test_without_the_log_route_kubernetes_is_asked(
    kfp: KfpServer, connection: Connection, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = pod("work-2", "Succeeded")
    kfp.nodes[run_id] = nodes_of("work-2", "Succeeded", node)
    asked: list[tuple[str, str, str]] = []

    class Core:
        """A scripted CoreV1Api: what Kubernetes would answer."""

        def read_namespaced_pod_log(self, name: str, namespace: str, container: str) -> str:
            asked.append((name, namespace, container))
            return "from the cluster\n"

        def list_namespaced_pod(self, namespace: str, label_selector: str) -> object:
            return type("Pods", (), {"items": []})()

    monkeypatch.setattr(kfp_logs, "_in_kubernetes", lambda connection, act: act(Core(), "kubeflow"))
    assert StepLog(connection, run_id, "train").text() == "from the cluster\n"
    assert asked == [(pod_of(workflow_of(run_id), node), "kubeflow", "main")]


def test_an_unknown_run_or_step_lists_what_there_is(connection: Connection, run_id: str) -> None:
    with pytest.raises(UsageError, match="there is no run 'nosuch'"):
        StepLog(connection, "nosuch", "train")
    with pytest.raises(UsageError, match="there is no run"):
        StepLog(connection, "00000000-0000-4000-8000-000000000000", "train")
    with pytest.raises(UsageError, match="no one step 'judge'") as caught:
        StepLog(connection, run_id, "judge")
    assert "judge-tuned-1-shot (work), train (work-2)" in str(caught.value)


def test_a_step_without_a_pod_says_why(kfp: KfpServer, connection: Connection, run_id: str) -> None:
    with pytest.raises(ClusterError, match="train is pending and has no pod yet"):
        StepLog(connection, run_id, "train").text()
    kfp.nodes[run_id] = nodes_of(
        "work-2", "Succeeded", Node("root.work-2.executor", "Skipped", "Skipped", IMPL)
    )
    with pytest.raises(ClusterError, match="its result came from the cache"):
        StepLog(connection, run_id, "train").text()
