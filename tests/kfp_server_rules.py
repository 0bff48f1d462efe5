"""Rules of the KFP contract server: request bodies, filters, pages, errors, workflows.

What each rule is read from (kubeflow/pipelines, backend/src/apiserver): list/list.go and
server/list_request_util.go (pages, filters), model/*.go (filter keys), common/util/error.go and
grpc-gateway (errors), server/api_converter.go (task details), common/utils.go CustomMarshaler (unknown
fields refused, empty ones left out).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

#: google.rpc.Code → HTTP status, as grpc-gateway maps it
STATUS = {3: 400, 5: 404, 6: 409, 7: 403, 13: 500, 14: 503, 16: 401}
INVALID, NOT_FOUND, EXISTS, FORBIDDEN, UNAUTHENTICATED = 3, 5, 6, 7, 16

FILTER_KEYS = {
    "pipelines": {"pipeline_id", "name", "display_name", "created_at", "description", "namespace"},
    "pipeline_versions": {"pipeline_version_id", "name", "display_name", "created_at", "description"},
    "experiments": {"experiment_id", "name", "display_name", "created_at", "namespace", "storage_state"},
    "recurring_runs": {"recurring_run_id", "name", "display_name", "created_at", "description"},
    "runs": {"run_id", "name", "display_name", "created_at", "experiment_id", "recurring_run_id", "state"},
}
#: kind → the list response's field and message; proto names, and this one of them is camel-case
LISTS = {
    "pipelines": ("pipelines", "V2beta1ListPipelinesResponse"),
    "pipeline_versions": ("pipeline_versions", "V2beta1ListPipelineVersionsResponse"),
    "experiments": ("experiments", "V2beta1ListExperimentsResponse"),
    "recurring_runs": ("recurringRuns", "V2beta1ListRecurringRunsResponse"),
    "runs": ("runs", "V2beta1ListRunsResponse"),
}
DEFAULT_PAGE, LARGEST_PAGE = 20, 200


class RefusalError(Exception):
    """An error of a gRPC service: google.rpc.Code and the two messages."""

    def __init__(self, code: int, message: str, internal: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.internal = code, message, internal or f"Failed: {message}"

    def body(self) -> dict[str, Any]:
        """The JSON that grpc-gateway sends."""
        detail = {
            "@type": "type.googleapis.com/google.rpc.Status",
            "code": self.code,
            "message": self.message,
        }
        return {"code": self.code, "message": self.internal, "details": [detail]}


class UploadRefusalError(Exception):
    """An error of the upload handlers, which are no gRPC services."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check_body(body: Any, model: str) -> dict[str, Any]:
    """Refuse fields that the message does not have, at any depth (the swagger's definitions)."""
    import kfp_server_api  # type: ignore[import-untyped, unused-ignore]

    if not isinstance(body, dict):
        raise RefusalError(INVALID, "proto: syntax error: unexpected token")
    definition = getattr(kfp_server_api, model)
    kinds = {definition.attribute_map[name]: kind for name, kind in definition.openapi_types.items()}
    for name, value in body.items():
        if name not in kinds:
            raise RefusalError(INVALID, f'proto: (line 1:2): unknown field "{name}"')
        inner = getattr(kfp_server_api, kinds[name], None)
        if inner is not None and getattr(inner, "openapi_types", None):
            check_body(value, kinds[name])
        elif kinds[name] == "str" and not isinstance(value, str):
            raise RefusalError(INVALID, f"proto: invalid value for string field {name}: {value!r}")
    return body


def shown(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object as the API sends it: fields with their empty value are left out, private ones too."""
    return {name: item for name, item in value.items() if not name.startswith("_") and item not in EMPTY}


EMPTY: tuple[Any, ...] = (None, "", 0, False, [], {})


def stamp(seconds: int) -> str:
    """A time of the API: whole seconds."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def select(kind: str, rows: Sequence[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """One page of a list: filtered, sorted by a field and then by id, with a token for the next."""
    id_field = "pipeline_version_id" if kind == "pipeline_versions" else f"{kind.removesuffix('s')}_id"
    criteria = [query.get("sort_by", ""), query.get("filter", "")]
    size = min(int(query.get("page_size") or 0) or DEFAULT_PAGE, LARGEST_PAGE)
    start: list[Any] | None = None
    if query.get("page_token"):
        token = json.loads(base64.b64decode(query["page_token"]))
        if criteria != ["", ""] and criteria != token["criteria"]:
            raise RefusalError(INVALID, "page token does not match the filtering criteria")
        criteria, start = token["criteria"], token["start"]
    field, descending = _sorting(kind, criteria[0])
    found = [row for row in rows if _fits(kind, row, criteria[1])]
    found.sort(key=lambda row: [str(row[field]), str(row[id_field])], reverse=descending)
    if start is not None:
        found = [
            row
            for row in found
            if ([str(row[field]), str(row[id_field])] <= start) == descending
            or [str(row[field]), str(row[id_field])] == start
        ]
    list_field, message = LISTS[kind]
    page: dict[str, Any] = {list_field: [shown(row) for row in found[:size]], "total_size": len(found)}
    if len(found) > size:
        token = {"criteria": criteria, "start": [str(found[size][field]), str(found[size][id_field])]}
        page["next_page_token"] = base64.b64encode(json.dumps(token).encode()).decode()
    return check_body(shown(page), message)


def _sorting(kind: str, sort_by: str) -> tuple[str, bool]:
    words = sort_by.lower().split()
    field = words[0] if words else "created_at"
    if field not in FILTER_KEYS[kind] or (len(words) == 2 and words[1] not in ("asc", "desc")):
        raise RefusalError(INVALID, f"Invalid sorting field: {sort_by!r}")
    return field, words[1:] == ["desc"]


def _fits(kind: str, row: Mapping[str, Any], encoded: str) -> bool:
    if not encoded:
        return True
    try:
        predicates = json.loads(unquote_plus(encoded))["predicates"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusalError(INVALID, f"failed to parse valid filter from {encoded!r}") from error
    for predicate in predicates:
        key = predicate["key"]
        if key not in FILTER_KEYS[kind]:
            raise RefusalError(INVALID, f'no support for filtering on unrecognized field "{key}"')
        wanted = predicate.get("string_value", predicate.get("stringValue"))
        there = str(row.get("display_name" if key == "name" and "name" not in row else key, ""))
        if predicate["operation"] in ("EQUALS", 1):
            fits = there == wanted
        elif predicate["operation"] in ("IS_SUBSTRING", 9):
            fits = wanted in there
        else:
            raise RefusalError(INVALID, f"invalid predicate operation: {predicate['operation']}")
        if not fits:
            return False
    return True


def check_cron(cron: str) -> None:
    """robfig/cron's Parse of the version that KFP uses: six fields, or a descriptor."""
    if not cron.startswith("@") and len(cron.split()) != 6:
        raise RefusalError(INVALID, f"Schedule cron is not a supported format: {cron}")


def check_parameters(parameters: Mapping[str, Any], spec: Mapping[str, Any]) -> None:
    """Refuse parameters that the pipeline does not have, and missing ones without a default."""
    inner = spec.get("pipeline_spec", spec)
    declared = (inner["root"].get("inputDefinitions") or {}).get("parameters") or {}
    for name in parameters:
        if name not in declared:
            raise RefusalError(INVALID, f"parameter {name} is not an input of the pipeline")
    for name, definition in declared.items():
        if name not in parameters and "defaultValue" not in definition and not definition.get("isOptional"):
            raise RefusalError(INVALID, f"parameter {name} is required")


@dataclass(frozen=True)
class Node:
    """A node of a run's Argo workflow; `path` is its name after the workflow's."""

    path: str
    phase: str
    type: str = "DAG"
    template: str = "system-container-executor"
    message: str = ""
    children: tuple[str, ...] = ()


def node_id(workflow: str, path: str) -> str:
    """Argo's id of a node: the workflow's name and a 32-bit FNV-1a hash of the node's full name."""
    value = 0x811C9DC5
    for byte in f"{workflow}.{path}".encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{workflow}-{value}"


def pod_of(workflow: str, node: Node) -> str:
    """The pod of a node, as Argo names it since 3.4."""
    return f"{workflow}-{node.template}-{node_id(workflow, node.path).rsplit('-', 1)[1]}"


def task_details(workflow: str, run_id: str, nodes: Sequence[Node]) -> list[dict[str, Any]]:
    """Nodes as KFP's task details: display name and state, children by node id, no pod of their own."""
    return [
        shown(
            {
                "run_id": run_id,
                "task_id": node_id("task", node.path),
                "display_name": node.path.rsplit(".", 1)[-1],
                "state": _state(node.phase),
                "start_time": stamp(0),
                "end_time": stamp(0),
                "child_tasks": [{"pod_name": node_id(workflow, child)} for child in node.children],
            }
        )
        for node in nodes
    ]


def _state(phase: str) -> str:
    known = {"Pending", "Running", "Succeeded", "Skipped", "Failed"}
    return phase.upper() if phase in known else "FAILED" if phase == "Error" else "RUNTIME_STATE_UNSPECIFIED"


def manifest(workflow: str, nodes: Sequence[Node]) -> str:
    """The workflow as the v1beta1 API hands it out: JSON in a string."""
    statuses = {
        node_id(workflow, node.path): {
            "id": node_id(workflow, node.path),
            "name": f"{workflow}.{node.path}",
            "displayName": node.path.rsplit(".", 1)[-1],
            "type": node.type,
            "templateName": node.template,
            "phase": node.phase,
            "message": node.message,
        }
        for node in nodes
    }
    return json.dumps({"metadata": {"name": workflow}, "status": {"nodes": statuses}})


MULTIPART = re.compile(
    rb'name="uploadfile"; filename="([^"]+)"\r\n(?:[^\r\n]+\r\n)*\r\n(.*?)\r\n--', re.DOTALL
)
