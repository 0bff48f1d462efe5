"""helm lints and renders the chart with each values file, and Kubernetes' schemas take the objects."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.helm.rendering import CASES, CHART, VALUES, needs_helm, objects_of, render
from tools.check_chart import VERSIONS, lint, program, validate

pytestmark = needs_helm


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_helm_lints(values: Path) -> None:
    done = subprocess.run(lint(values), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "WARNING" not in done.stdout


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", CASES)
def test_objects_fit_the_schemas_of_kubernetes(case: str, version: str, tmp_path: Path) -> None:
    if program("kubernetes-validate") is None:
        pytest.skip("kubernetes-validate is not there (the extra dev has it)")
    manifests = tmp_path / "manifests.yaml"
    manifests.write_text(yaml.safe_dump_all(objects_of(case)), encoding="utf-8")
    done = subprocess.run(validate(manifests, version), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(" passed ") == len(objects_of(case))


def test_the_schemas_refuse_an_unknown_field(tmp_path: Path) -> None:
    if program("kubernetes-validate") is None:
        pytest.skip("kubernetes-validate is not there (the extra dev has it)")
    manifests = tmp_path / "manifests.yaml"
    [wrong] = [item for item in json.loads(json.dumps(objects_of("values"))) if item["kind"] == "Deployment"]
    wrong["spec"]["replicaz"] = 1
    manifests.write_text(yaml.safe_dump(wrong), encoding="utf-8")
    assert subprocess.run(validate(manifests, VERSIONS[-1]), capture_output=True).returncode != 0


@pytest.mark.parametrize("case", CASES)
def test_no_object_is_made_twice_and_names_are_short_enough(case: str) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in objects_of(case)]
    assert len(set(names)) == len(names)
    assert all(len(name) <= 63 for _, name in names)


def test_the_longest_names_fit() -> None:
    name = "a" * 40
    objects = render({"fullnameOverride": name, "apply": {"recipes": [{"name": "b" * 60}]}})
    assert any(item["metadata"]["name"].startswith(f"{name}-apply-b") for item in objects)
    assert all(len(item["metadata"]["name"]) <= 63 for item in objects)


def test_recipes_are_handed_on_to_the_letter() -> None:
    recipe = CHART.parent.parent / "pipelines" / "recipes" / "smoke.yaml"
    text = recipe.read_text(encoding="utf-8")
    [found] = [
        item for item in render({"recipes": {"smoke": text}}) if item["metadata"]["name"] == "trial-recipes"
    ]
    assert found["data"] == {"smoke.yaml": text}


def test_monitors_are_made_on_demand_and_find_their_services() -> None:
    assert not any(item["kind"] == "ServiceMonitor" for case in CASES for item in objects_of(case))
    change = {
        "metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
        "teacher": {"enabled": True, "model": "team/teacher"},
    }
    objects = render(change)
    services = {item["metadata"]["name"]: item for item in objects if item["kind"] == "Service"}
    monitors = [item for item in objects if item["kind"] == "ServiceMonitor"]
    assert {item["metadata"]["name"] for item in monitors} == {"trial-minio", "trial-teacher"}
    for item in monitors:
        assert item["metadata"]["labels"]["release"] == "prometheus"
        service = services[item["metadata"]["name"]]
        assert item["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        [endpoint] = item["spec"]["endpoints"]
        [port] = [one for one in service["spec"]["ports"] if one["name"] == endpoint["port"]]
        annotations = service["metadata"]["annotations"]
        assert annotations["prometheus.io/path"] == endpoint["path"]
        assert annotations["prometheus.io/port"] == str(port["port"])


def test_findings_of_checkov_that_stay_are_explained() -> None:
    root = CHART.parent.parent
    left_out = yaml.safe_load((root / ".checkov.yaml").read_text(encoding="utf-8"))["skip-check"]
    page = (root / "docs" / "chart.md").read_text(encoding="utf-8")
    table = " ".join(line for line in page.splitlines() if line.startswith("| CKV_"))
    assert sorted(left_out) == sorted(re.findall(r"CKV_K8S_\d+", table))
