"""The chart, and what deploys, as far as they can be checked without a cluster."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

import gukbap
from gukbap.recipes import load_recipe

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "gukbap"


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_no_file_names_a_floating_image() -> None:
    files = [*(ROOT / "docker").rglob("*"), *CHART.rglob("*.yaml")]
    assert [
        path.name for path in files if path.is_file() and ":latest" in path.read_text(encoding="utf-8")
    ] == []


def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
    return loaded


def refused(change: dict[str, Any]) -> bool:
    """Whether the schema refuses the chart's values with a change on top."""
    values = read_yaml(CHART / "values.yaml")
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) and key in values else value
    return not jsonschema.Draft7Validator(schema()).is_valid(values)


def test_the_chart_has_the_package_version() -> None:
    chart = read_yaml(CHART / "Chart.yaml")
    assert (chart["apiVersion"], chart["name"], chart["appVersion"]) == ("v2", "gukbap", gukbap.__version__)


def test_the_schema_takes_the_default_values_and_recipes() -> None:
    jsonschema.Draft7Validator.check_schema(schema())
    assert not refused({})
    assert not refused({"recipes": {"gukbap-qwen2.5": "name: x\n"}, "imagePullSecrets": ["registry"]})


@pytest.mark.parametrize(
    "change",
    [
        {"recipez": {}},
        {"serviceAccount": {"nmae": "x"}},
        {"serviceAccount": {"create": "yes"}},
        {"recipes": {"Name With Spaces": "x"}},
        {"recipes": {"empty": ""}},
        {"existingSecret": ""},
        {"imagePullSecrets": [{"name": "x"}]},
        {"global": {"anything": 1}},
    ],
    ids=json.dumps,
)
def test_the_schema_refuses_what_the_chart_does_not_know(change: dict[str, Any]) -> None:
    assert refused(change)


def test_every_object_of_the_schema_is_closed() -> None:
    def objects(part: Any) -> Iterator[dict[str, Any]]:
        if isinstance(part, dict):
            if part.get("type") == "object":
                yield part
            for inner in part.values():
                yield from objects(inner)

    found = list(objects(schema()))
    assert len(found) >= 5
    assert all(part["additionalProperties"] is False for part in found)


def test_every_value_is_documented_and_in_the_schema() -> None:
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    keys = [place for place, line in enumerate(lines) if re.match(r"\s*[A-Za-z]+:", line)]
    # A section's own keys carry its comments.
    bare = [lines[place] for place in keys if not lines[place - 1].lstrip().startswith("#")]
    assert bare == ["serviceAccount:"]
    values, properties = read_yaml(CHART / "values.yaml"), schema()["properties"]
    assert set(values) == set(properties) - {"global"}
    assert set(values["serviceAccount"]) == set(properties["serviceAccount"]["properties"])


def test_templates_use_only_values_that_exist() -> None:
    values = read_yaml(CHART / "values.yaml")
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
    values, cluster = read_yaml(CHART / "values.yaml"), load_recipe("gukbap-mistral-7b").cluster
    assert values["workClaim"]["name"] == cluster.work_claim
    assert values["platform"]["configMap"] == cluster.config_map
    assert values["existingSecret"] == cluster.secret


def test_helm_renders_the_chart() -> None:
    helm = shutil.which("helm")
    if helm is None:
        pytest.skip("helm is not on PATH; only the chart's files were checked")
    recipe = ROOT / "pipelines" / "recipes" / "smoke.yaml"
    subprocess.run([helm, "lint", "--strict", str(CHART)], check=True, capture_output=True)
    command = [helm, "template", "trial", str(CHART), "--set-file", f"recipes.smoke={recipe}"]
    rendered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    objects = {
        (item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(rendered) if item
    }
    assert set(objects) == {
        ("ConfigMap", "gukbap"),
        ("ConfigMap", "trial-recipes"),
        ("PersistentVolumeClaim", "gukbap-work"),
        ("ServiceAccount", "trial"),
    }
    recipes = objects["ConfigMap", "trial-recipes"]
    assert recipes["data"] == {"smoke.yaml": recipe.read_text(encoding="utf-8")}
    unknown = subprocess.run([*command, "--set", "recipez=1"], capture_output=True, text=True)
    assert unknown.returncode != 0
    assert "recipez" in unknown.stderr


def test_pre_commit_hooks_need_nothing_from_outside() -> None:
    repositories = read_yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    hooks = {hook["id"]: hook for hook in repositories[0]["hooks"]}
    assert set(hooks) == {"ruff-check", "ruff-format", "mypy", "lint-imports"}
    assert {hook["language"] for hook in hooks.values()} == {"system"}
