"""values.yaml and its schema: every key is documented, known and agrees with the project's own names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

import gukbap
from components import images
from gukbap.config.platform import ClusterConfig
from gukbap.handover import OBJECT_STORE, PIPELINES_API, TRACKING_URI
from gukbap.recipes import builtin_recipes, load_recipe
from tests.helm.rendering import CHART, VALUES, helm, named, needs_helm, objects_of, render

DEFAULTS = CHART / "values.yaml"
COMPOSE = CHART.parent.parent / "docker" / "compose.yaml"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return loaded


def merged(values: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Values as helm joins them: mappings key by key, all else replaced."""
    result = dict(values)
    for key, value in change.items():
        inner = result.get(key)
        both = isinstance(value, dict) and isinstance(inner, dict)
        result[key] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def refused(change: Mapping[str, Any]) -> bool:
    return not jsonschema.Draft7Validator(schema()).is_valid(merged(read(DEFAULTS), change))


def sections(values: Mapping[str, Any], place: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every mapping of the values, by its path."""
    yield place
    for key, value in values.items():
        if isinstance(value, dict):
            yield from sections(value, (*place, key))


def test_the_chart_has_the_package_version() -> None:
    chart = read(CHART / "Chart.yaml")
    assert (chart["apiVersion"], chart["name"], chart["appVersion"]) == ("v2", "gukbap", gukbap.__version__)


def test_every_values_file_and_recipes_are_taken() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    assert len(VALUES) == 4
    for path in VALUES:
        assert not refused(read(path)), path.name
    assert not refused({"recipes": {"gukbap-qwen2.5": "name: x\n"}, "imagePullSecrets": ["registry"]})


def test_unknown_keys_are_refused_at_every_level() -> None:
    found = list(sections(read(DEFAULTS)))
    assert len(found) > 40
    for place in found:
        # A space is no key of a label, an annotation or a recipe either.
        change: Any = {"not a key": "x"}
        for key in reversed(place):
            change = {key: change}
        assert refused(change), place


def test_every_object_of_the_schema_is_closed() -> None:
    def objects(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for inner in part.values():
                yield from objects(inner)
        elif isinstance(part, list):
            for inner in part:
                yield from objects(inner)

    found = list(objects(schema()))
    assert len(found) > 25
    assert all(part["additionalProperties"] is False for part in found)


@pytest.mark.parametrize(
    "change",
    [
        {"serviceAccount": {"create": "yes"}},
        {"recipes": {"Name With Spaces": "x"}},
        {"recipes": {"empty": ""}},
        {"imagePullSecrets": [{"name": "x"}]},
        {"global": {"anything": 1}},
        {"apply": {"recipes": [{"name": "smoke", "overrides": []}]}},
        {"apply": {"schedule": "0 18 * * 0"}},
        {"images": {"minio": "minio/minio:latest"}},
        {"images": {"postgres": "postgres"}},
        {"images": {"tag": "latest"}},
        {"mlflow": {"allowedHosts": ["*"]}},
        {"mlflow": {"allowedHosts": ["*:*"]}},
        {"mlflow": {"database": {"uri": "postgresql://mlflow:password@db/mlflow"}}},
        {"platform": {"mlflowTrackingUri": "http://user:password@mlflow:5000"}},
        {"teacher": {"arguments": ["--api-key=abc"]}},
        {"minio": {"resources": {"limits": {"memory": "plenty"}}}},
        {"networkPolicy": {"clients": [{}]}},
        {"podDisruptionBudget": {"maxUnavailable": -1}},
    ],
    ids=json.dumps,
)
def test_wrong_values_are_refused(change: dict[str, Any]) -> None:
    assert refused(change)


def test_every_key_is_documented() -> None:
    lines = DEFAULTS.read_text(encoding="utf-8").splitlines()
    keys = [place for place, line in enumerate(lines) if re.match(r"\s*[A-Za-z]+:", line)]
    assert len(keys) > 90
    assert [lines[place] for place in keys if not lines[place - 1].lstrip().startswith("#")] == []


def test_values_and_schema_know_the_same_keys() -> None:
    known = schema()

    def properties(part: dict[str, Any]) -> dict[str, Any]:
        part = known["definitions"][part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part
        found: dict[str, Any] = part.get("properties", {})
        return found

    values = read(DEFAULTS)
    assert set(values) == set(properties(known)) - {"global"}
    for key, value in values.items():
        inner = properties(known["properties"][key])
        if inner:
            assert set(value) == set(inner), key


def test_templates_use_only_values_that_exist_and_values_are_used() -> None:
    values = read(DEFAULTS)
    used = {
        reference
        for path in (CHART / "templates").rglob("*")
        if path.is_file()
        for reference in re.findall(r"\.Values\.([A-Za-z.]+)", path.read_text(encoding="utf-8"))
    }
    assert {reference.split(".")[0] for reference in used} == set(values)
    for reference in used:
        place: Any = values
        for part in reference.split("."):
            place = place[part]


def test_the_chart_makes_what_recipes_name() -> None:
    values, cluster = read(DEFAULTS), load_recipe("gukbap-mistral-7b").cluster
    assert values["workClaim"]["name"] == cluster.work_claim
    default = ClusterConfig()
    assert values["platform"]["configMap"] == cluster.config_map == default.config_map
    assert values["platform"]["secret"] == cluster.secret == default.secret


def test_values_files_register_recipes_that_exist() -> None:
    names = [recipe["name"] for path in VALUES for recipe in read(path).get("apply", {}).get("recipes", [])]
    assert names and set(names) <= set(builtin_recipes())


def test_images_of_others_are_named_once_and_as_compose_has_them() -> None:
    pins = {key: read(DEFAULTS)["images"][key] for key in ("minio", "postgres")}
    assert pins == read(COMPOSE)["x-images"]
    for path in CHART.rglob("*"):
        if path.is_file() and path.name not in ("values.yaml", "values-airgapped.yaml"):
            text = path.read_text(encoding="utf-8")
            assert not any(reference in text for reference in pins.values()), path.name
    mirrored = read(CHART / "values-airgapped.yaml")["images"]
    for key, reference in pins.items():
        assert mirrored[key] == f"registry.example/{reference}"


@needs_helm
def test_images_of_the_project_are_those_of_the_components(monkeypatch: pytest.MonkeyPatch) -> None:
    pins = read(DEFAULTS)["images"]
    own = {images.CPU, images.VLLM, images.MLFLOW}
    text = json.dumps(objects_of("everything"))
    found = set(re.findall(r'"image": "([^"]+)"', text))
    assert found == own | {pins["minio"], pins["postgres"]}


@needs_helm
def test_every_image_comes_from_the_registry_of_one_s_own() -> None:
    found = set(re.findall(r'"image": "([^"]+)"', json.dumps(objects_of("values-airgapped"))))
    assert found and all(reference.startswith("registry.example/") for reference in found)


@needs_helm
def test_the_config_map_says_where_the_chart_s_own_servers_are() -> None:
    data = named(objects_of("values"), "ConfigMap", "gukbap")["data"]
    assert data == {
        TRACKING_URI: "http://trial-mlflow.team-a.svc:5000",
        OBJECT_STORE: "http://trial-minio.team-a.svc:9000",
    }
    others = {
        "mlflowTrackingUri": "http://m:1",
        "minioEndpoint": "http://s:2",
        "pipelinesEndpoint": "http://k:3",
    }
    data = named(render({"platform": others}), "ConfigMap", "gukbap")["data"]
    assert data == {TRACKING_URI: "http://m:1", OBJECT_STORE: "http://s:2", PIPELINES_API: "http://k:3"}


@needs_helm
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipez": 1}, "recipez"),
        ({"minio": {"enabled": False}}, "existingSecret"),
        ({"postgres": {"enabled": False}}, "mlflow.database.uri"),
        ({"teacher": {"enabled": True}}, "teacher.model"),
        ({"mlflow": {"replicaz": 1}}, "replicaz"),
    ],
    ids=json.dumps,
)
def test_helm_says_what_is_wrong(change: dict[str, Any], words: str) -> None:
    done = helm(DEFAULTS, change)
    assert done.returncode != 0
    assert words in done.stderr
