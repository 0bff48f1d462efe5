"""What the KFP contract server knows and does; see tests/kfp_server.py."""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import yaml

from tests import kfp_server_rules as rules
from tests.kfp_server_rules import Node, RefusalError, UploadRefusalError

Row = dict[str, Any]


class KfpServer:
    """The state of the contract server, and what a test may do to it.

    Attributes:
        writes: method and path of every call that changed something.
        seen_tokens: the Authorization headers, in order.
        token: what a bearer token must be; None: none is asked for.
        forbidden: whether every call is refused with 403.
        jitter: longest random delay of an answer, seconds.
        die_after: break down after this many further writes: the write is done, the answer is lost.
        down: whether every call is answered with 503.
        logs: pod → log.
        version: the tag that healthz tells.
        ticking: let each creation be a second later than the last, instead of the real time.
    """

    def __init__(self, *, multi_user: bool = False, ticking: bool = False) -> None:
        self.pipelines: dict[str, Row] = {}
        self.versions: dict[str, Row] = {}
        self.experiments: dict[str, Row] = {}
        self.recurring_runs: dict[str, Row] = {}
        self.runs: dict[str, Row] = {}
        self.nodes: dict[str, list[Node]] = {}
        self.logs: dict[str, str] = {}
        self.writes: list[str] = []
        self.requests: list[str] = []
        self.seen_tokens: list[str] = []
        self.deletions: list[str] = []
        self.token: str | None = None
        self.forbidden = self.down = self.without_v1 = False
        self.jitter = 0.0
        self.die_after: int | None = None
        self.on_request: Callable[[str], None] | None = None
        self.multi_user, self.ticking = multi_user, ticking
        self.url, self.version = "", "unknown"
        self.lock = threading.RLock()
        self._second = int(time.time())

    def now(self) -> int:
        """The time of a creation, in whole seconds."""
        if not self.ticking:
            return int(time.time())
        self._second += 1
        return self._second

    def enabled(self) -> list[Row]:
        """The recurring runs that fire."""
        return [run for run in self.recurring_runs.values() if run["mode"] == "ENABLE"]

    def end_run(self, run_id: str, state: str) -> None:
        """Let a run end."""
        self.runs[run_id].update(state=state, finished_at=rules.stamp(self.now()))

    def answer(self, method: str, path: str, query: Mapping[str, str], body: bytes) -> Any:
        """What the API answers; RefusalError and UploadRefusalError for its errors."""
        for route, (pattern, handle) in _ROUTES.items():
            match = re.fullmatch(pattern, path)
            if match and route.split(" ")[0] == method:
                values = [unquote(value) for value in match.groups()]
                with self.lock:
                    answer = handle(self, query, body, *values)
                    if method != "GET":
                        self.writes.append(f"{method} {path}")
                return answer
        raise KeyError(path)

    # pipelines and versions

    def create_pipeline(self, query: Mapping[str, str], body: bytes) -> Row:
        given = rules.check_body(json.loads(body), "V2beta1Pipeline")
        name = given.get("name") or given.get("display_name")
        if not name:
            raise RefusalError(rules.INVALID, "name is required")
        namespace = given.get("namespace", "") if self.multi_user else ""
        if any((row["name"], row["namespace"]) == (name, namespace) for row in self.pipelines.values()):
            raise RefusalError(
                rules.EXISTS,
                f"Failed to create a new pipeline. The name {name} already exist. Please specify a new name",
            )
        row = {"display_name": name, "description": "", **given, "name": name, "namespace": namespace}
        return self._keep(self.pipelines, "pipeline_id", row)

    def pipeline_by_name(self, query: Mapping[str, str], body: bytes, name: str) -> Row:
        namespace = query.get("namespace", "") if self.multi_user else ""
        for row in self.pipelines.values():
            if (row["name"], row["namespace"]) == (name, namespace):
                return rules.shown(row)
        raise RefusalError(rules.NOT_FOUND, f"Namespace/Pipeline {namespace}/{name} not found")

    def list_pipelines(self, query: Mapping[str, str], body: bytes) -> Row:
        return rules.select("pipelines", list(self.pipelines.values()), query)

    def list_versions(self, query: Mapping[str, str], body: bytes, pipeline: str) -> Row:
        rows = [row for row in self.versions.values() if row["pipeline_id"] == pipeline]
        return rules.select("pipeline_versions", rows, query)

    def get_version(self, query: Mapping[str, str], body: bytes, pipeline: str, version: str) -> Row:
        return rules.shown(_need(self.versions, version, "PipelineVersion"))

    def upload_version(self, query: Mapping[str, str], body: bytes) -> Row:
        match = rules.MULTIPART.search(body)
        if match is None or not match[1].endswith((b".yaml", b".yml", b".json")):
            raise UploadRefusalError(400, "Failed to create a pipeline version")
        pipeline, name = query.get("pipelineid", ""), query.get("name") or match[1].decode()
        if pipeline not in self.pipelines:
            raise UploadRefusalError(400, "Failed to create a pipeline version")
        if any((row["pipeline_id"], row["name"]) == (pipeline, name) for row in self.versions.values()):
            raise UploadRefusalError(409, "Failed to create a pipeline version")
        documents = [document for document in yaml.safe_load_all(match[2]) if document]
        if "pipelineInfo" not in documents[0]:
            raise UploadRefusalError(400, "unknown template format")
        spec = documents[0]
        if len(documents) > 1:
            spec = {"pipeline_spec": documents[0], "platform_spec": documents[1]}
        row = {"pipeline_id": pipeline, "name": name, "display_name": name, "pipeline_spec": spec}
        return self._keep(self.versions, "pipeline_version_id", row)

    def latest(self, pipeline: str) -> Row:
        """GetLatestPipelineVersion: the newest by (created_at, id)."""
        _need(self.pipelines, pipeline, "Pipeline")
        rows = [row for row in self.versions.values() if row["pipeline_id"] == pipeline]
        if not rows:
            raise RefusalError(rules.NOT_FOUND, f"PipelineVersion {pipeline} not found")
        return max(rows, key=lambda row: (row["created_at"], row["pipeline_version_id"]))

    # experiments

    def create_experiment(self, query: Mapping[str, str], body: bytes) -> Row:
        given = rules.check_body(json.loads(body), "V2beta1Experiment")
        name = given.get("display_name")
        if any(row["display_name"] == name for row in self.experiments.values()):
            raise RefusalError(
                rules.EXISTS,
                f"Failed to create a new experiment. The name {name} already exists. "
                "Please specify a new name",
            )
        return self._keep(self.experiments, "experiment_id", {**given, "storage_state": "AVAILABLE"})

    def list_experiments(self, query: Mapping[str, str], body: bytes) -> Row:
        return rules.select("experiments", list(self.experiments.values()), query)

    def unarchive(self, query: Mapping[str, str], body: bytes, experiment: str) -> Row:
        _need(self.experiments, experiment, "Experiment")["storage_state"] = "AVAILABLE"
        return {}

    # recurring runs

    def create_recurring(self, query: Mapping[str, str], body: bytes) -> Row:
        given = rules.check_body(json.loads(body), "V2beta1RecurringRun")
        if not given.get("display_name"):
            raise RefusalError(rules.INVALID, "Recurring run's name cannot be empty")
        if not 1 <= int(given.get("max_concurrency", 0)) <= 10:
            raise RefusalError(
                rules.INVALID, "Max concurrency of a recurring run must be at least 1 and at most 10"
            )
        rules.check_cron(given["trigger"]["cron_schedule"]["cron"])
        _need(self.experiments, given.get("experiment_id", ""), "Experiment")
        reference = given["pipeline_version_reference"]
        spec = self.latest(reference["pipeline_id"])["pipeline_spec"]
        rules.check_parameters((given.get("runtime_config") or {}).get("parameters") or {}, spec)
        mode = "ENABLE" if given.get("mode") == "ENABLE" else "DISABLE"
        row = {**given, "mode": mode, "status": f"{mode}D", "namespace": "kubeflow"}
        return self._keep(self.recurring_runs, "recurring_run_id", row)

    def list_recurring(self, query: Mapping[str, str], body: bytes) -> Row:
        return rules.select("recurring_runs", list(self.recurring_runs.values()), query)

    def switch_recurring(self, query: Mapping[str, str], body: bytes, run: str, verb: str) -> Row:
        mode = verb.upper()
        _need(self.recurring_runs, run, "Job").update(mode=mode, status=f"{mode}D")
        return {}

    def delete_recurring(self, query: Mapping[str, str], body: bytes, run: str) -> Row:
        _need(self.recurring_runs, run, "Job")
        del self.recurring_runs[run]
        self.deletions.append(query.get("propagation_policy", ""))
        return {}

    # runs

    def create_run(self, query: Mapping[str, str], body: bytes) -> Row:
        given = rules.check_body(json.loads(body), "V2beta1Run")
        if not given.get("display_name"):
            raise RefusalError(rules.INVALID, "The run name is empty. Please specify a valid name")
        _need(self.experiments, given.get("experiment_id", ""), "Experiment")
        reference = given["pipeline_version_reference"]
        chosen = reference.get("pipeline_version_id")
        version = (
            _need(self.versions, chosen, "PipelineVersion")
            if chosen
            else self.latest(reference["pipeline_id"])
        )
        if given.get("recurring_run_id"):
            _need(self.recurring_runs, given["recurring_run_id"], "Job")
        rules.check_parameters(
            (given.get("runtime_config") or {}).get("parameters") or {}, version["pipeline_spec"]
        )
        row = {
            **given,
            "pipeline_version_reference": {
                "pipeline_id": version["pipeline_id"],
                "pipeline_version_id": version["pipeline_version_id"],
            },
            "state": "PENDING",
            "finished_at": rules.stamp(0),
        }
        return self._keep(self.runs, "run_id", row)

    def list_runs(self, query: Mapping[str, str], body: bytes) -> Row:
        return rules.select("runs", list(self.runs.values()), query)

    def get_run(self, query: Mapping[str, str], body: bytes, run: str) -> Row:
        row = _need(self.runs, run, "Run")
        details = rules.task_details(workflow_of(run), run, self.nodes.get(run, []))
        return {**rules.shown(row), "run_details": {"task_details": details}} if details else rules.shown(row)

    def get_run_v1(self, query: Mapping[str, str], body: bytes, run: str) -> Row:
        if self.without_v1:
            raise RefusalError(rules.NOT_FOUND, "Not Found")
        _need(self.runs, run, "Run")
        text = rules.manifest(workflow_of(run), self.nodes.get(run, []))
        return {"run": {"id": run}, "pipeline_runtime": {"workflow_manifest": text}}

    def read_log(self, query: Mapping[str, str], body: bytes, run: str, pod: str) -> str:
        if pod not in self.logs:
            said = f"Failed to read logs for run {run}"
            return json.dumps({"error_message": said, "error_details": said}, separators=(",", ":"))
        return self.logs[pod]

    def healthz(self, query: Mapping[str, str], body: bytes) -> Row:
        store = {"commit_sha": "unknown", "tag_name": self.version, "pipeline_store": "database"}
        return {**store, "multi_user": self.multi_user}

    def _keep(self, table: dict[str, Row], id_field: str, row: Row) -> Row:
        row = {**row, id_field: str(uuid.uuid4()), "created_at": rules.stamp(self.now())}
        table[row[id_field]] = row
        return rules.shown(row)


def workflow_of(run_id: str) -> str:
    """The name of a run's workflow."""
    return f"gukbap-{run_id[:5]}"


def _need(table: dict[str, Row], id_: str, kind: str) -> Row:
    if id_ not in table:
        raise RefusalError(
            rules.NOT_FOUND, f"{kind} {id_} not found", f"ResourceNotFoundError: {kind} {id_} not found"
        )
    return table[id_]


_V2, _ID = "/apis/v2beta1", "([^/:]+)"
_ROUTES: dict[str, tuple[str, Callable[..., Any]]] = {
    "GET healthz": (f"{_V2}/healthz", KfpServer.healthz),
    "POST upload_version": (f"{_V2}/pipelines/upload_version", KfpServer.upload_version),
    "GET names": (f"{_V2}/pipelines/names/{_ID}", KfpServer.pipeline_by_name),
    "GET pipelines": (f"{_V2}/pipelines", KfpServer.list_pipelines),
    "POST pipelines": (f"{_V2}/pipelines", KfpServer.create_pipeline),
    "GET versions": (f"{_V2}/pipelines/{_ID}/versions", KfpServer.list_versions),
    "GET version": (f"{_V2}/pipelines/{_ID}/versions/{_ID}", KfpServer.get_version),
    "GET experiments": (f"{_V2}/experiments", KfpServer.list_experiments),
    "POST experiments": (f"{_V2}/experiments", KfpServer.create_experiment),
    "POST unarchive": (f"{_V2}/experiments/{_ID}:unarchive", KfpServer.unarchive),
    "GET recurringruns": (f"{_V2}/recurringruns", KfpServer.list_recurring),
    "POST recurringruns": (f"{_V2}/recurringruns", KfpServer.create_recurring),
    "POST mode": (f"{_V2}/recurringruns/{_ID}:(enable|disable)", KfpServer.switch_recurring),
    "DELETE recurringrun": (f"{_V2}/recurringruns/{_ID}", KfpServer.delete_recurring),
    "GET runs": (f"{_V2}/runs", KfpServer.list_runs),
    "POST runs": (f"{_V2}/runs", KfpServer.create_run),
    "GET run": (f"{_V2}/runs/{_ID}", KfpServer.get_run),
    "GET run_v1": (f"/apis/v1beta1/runs/{_ID}", KfpServer.get_run_v1),
    "GET log": (f"/apis/v1alpha1/runs/{_ID}/nodes/{_ID}/log", KfpServer.read_log),
}
