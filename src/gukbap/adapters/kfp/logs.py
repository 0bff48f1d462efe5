"""The log of a step: through KFP's API, else through Kubernetes.

KFP's API has one log route, /apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log, in which the node's id is
the pod's name. It reads the pod's container `main`, and Argo's archive when the pod is gone. Two of its
ways matter here (backend/src/apiserver/server/run_log_server.go): it reads `follow` from the path, where
it never stands, so it always ends at once; and it sends status 200 before it looks, so a failure arrives
as {"error_message": …} after what it had sent until then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.errors import may_pass
from gukbap.adapters.kfp.runs import find_run, get_run, run_spec
from gukbap.adapters.kfp.steps import ENDED, Step, read_steps, workflow_nodes
from gukbap.errors import ClusterError, UsageError

Answer = TypeVar("Answer")

_ROUTE = "/apis/v1alpha1/runs/{run_id}/nodes/{node_id}/log"
_CONTAINER = "main"
INTERVAL = 3.0
_FAILURE = '{"error_message":'
#: what Argo and KFP put on a pod
_RUN_LABEL, _NODE_ANNOTATION = "pipeline/runid", "workflows.argoproj.io/node-name"


class StepLog:
    """The log of one step of a run.

    Args:
        connection: the API.
        run: the run's id or name.
        step: the step's display name or task name.

    Raises:
        UsageError: there is no such run or step.
    """

    def __init__(self, connection: Connection, run: str, step: str) -> None:
        self._connection = connection
        found = find_run(connection, run)
        self.run_id = str(found.run_id)
        self._spec = run_spec(connection, found)
        self.step = _choose(self._steps(found), step, self.run_id)

    def text(self) -> str:
        """The log until now, that of the last attempt; ClusterError where nobody has it."""
        known = [attempt.pod for attempt in self.step.attempts][-1:]
        for pod in known:
            from_api = self._from_api(pod)
            if from_api is not None:
                return from_api
        pods = known + self._kubernetes_pods()[-1:]
        for pod in pods:
            from_cluster = _from_kubernetes(self._connection, pod)
            if from_cluster is not None:
                return from_cluster
        if not pods:
            raise self._nothing_yet()
        raise ClusterError(
            f"neither Kubeflow Pipelines nor Kubernetes has the log of {self.step.name} (pod {pod})",
            expected="a pod that still exists, or Argo's archiveLogs switched on and ARCHIVE_CONFIG_LOG_* "
            "set for ml-pipeline",
            fix="archived logs lie in the workflow controller's artifact repository (KFP's bucket "
            f"mlpipeline), as {pod}/main.log under the keyFormat of its configuration",
        )

    def pieces(self, *, follow: bool, interval: float = INTERVAL) -> Iterator[str]:
        """The log in pieces as it grows, until the step ends; a new attempt's follows the one before.

        Args:
            follow: go on while the step runs.
            interval: seconds between two looks.
        """
        pod, length = "", 0
        while True:
            ended = self.step.state in ENDED
            text = self._text_or_wait(follow and not ended)
            latest = self.step.attempts[-1].pod if self.step.attempts else pod
            if latest != pod:
                pod, length = latest, 0
            if len(text) > length:
                yield text[length:]
                length = len(text)
            if ended or not follow:
                return
            time.sleep(interval)
            self._look_again()

    def _text_or_wait(self, waiting: bool) -> str:
        try:
            return self.text()
        except ClusterError as error:
            if waiting and (may_pass(error) or not self.step.attempts):
                return ""
            raise

    def _look_again(self) -> None:
        try:
            run = get_run(self._connection, self.run_id)
            steps = self._steps(run)
        except ClusterError as error:
            if may_pass(error):
                return
            raise
        self.step = next(step for step in steps if step.task == self.step.task)

    def _steps(self, run: Any) -> list[Step]:
        return read_steps(self._spec, run, workflow_nodes(self._connection, str(run.run_id)))

    def _from_api(self, pod: str) -> str | None:
        try:
            text = str(
                self._connection.get("to read a log", _ROUTE, text=True, run_id=self.run_id, node_id=pod)
            )
        except ClusterError as error:
            if may_pass(error):
                raise
            return None  # not offered by this installation, or not to this account
        if text.lstrip()[:9].lower().startswith(("<!doctype", "<html")):
            return None  # the UI's server, which does not hand this route on
        cut = text.rfind(_FAILURE)
        if cut < 0 or not _is_failure(text[cut:]):
            return text
        return text[:cut] or None

    def _kubernetes_pods(self) -> list[str]:
        def find(api: Any, namespace: str) -> list[str]:
            found = api.list_namespaced_pod(namespace, label_selector=f"{_RUN_LABEL}={self.run_id}").items
            place = f".{self.step.task}.executor"
            own = [
                pod
                for pod in found
                if place in str((pod.metadata.annotations or {}).get(_NODE_ANNOTATION, ""))
            ]
            return [
                str(pod.metadata.name) for pod in sorted(own, key=lambda p: p.metadata.creation_timestamp)
            ]

        return _in_kubernetes(self._connection, find) or []

    def _nothing_yet(self) -> ClusterError:
        if self.step.state == "cached":
            return ClusterError(
                f"{self.step.name} ran no pod: its result came from the cache",
                fix="look at the run that made it",
            )
        return ClusterError(
            f"{self.step.name} is {self.step.state} and has no pod yet, or the API does not tell which",
            fix=f"gukbap logs {self.run_id} {self.step.name} --follow waits for it",
        )


def _choose(steps: list[Step], name: str, run_id: str) -> Step:
    fitting = [step for step in steps if step.name == name] or [step for step in steps if step.task == name]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(step.name if step.name == step.task else f"{step.name} ({step.task})" for step in steps)
    raise UsageError(f"the run {run_id} has no one step {name!r}", expected=f"one of {known or 'none yet'}")


def _is_failure(text: str) -> bool:
    try:
        return "error_message" in json.loads(text)
    except ValueError:
        return False


def _from_kubernetes(connection: Connection, pod: str) -> str | None:
    def read(api: Any, namespace: str) -> str:
        return str(api.read_namespaced_pod_log(pod, namespace, container=_CONTAINER))

    return _in_kubernetes(connection, read)


def _in_kubernetes(connection: Connection, act: Callable[[Any, str], Answer]) -> Answer | None:
    """What Kubernetes answers, or None where it cannot be reached or has nothing."""
    from kubernetes import client, config
    from urllib3.exceptions import HTTPError

    try:
        try:
            config.load_incluster_config()
        except config.ConfigException:
            config.load_kube_config()
        return act(client.CoreV1Api(), connection.namespace or "kubeflow")
    except (config.ConfigException, client.ApiException, HTTPError, OSError):
        return None
