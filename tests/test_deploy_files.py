"""Dockerfiles, the compose file and the chart, as far as they can be checked without an engine or cluster."""

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
from components import images
from gukbap.recipes import load_recipe

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "helm" / "gukbap"
DOCKERFILES = sorted((ROOT / "docker").glob("*.Dockerfile"))
IMAGES = {"cpu": images.CPU, "train": images.TRAIN, "vllm": images.VLLM}
BUILDKIT_ONLY = re.compile(r"^\s*(RUN\s+--|COPY\s+--(link|chmod|exclude|parents))|<<-?\s*[\"']?[A-Z]", re.M)


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """(instruction, argument) in order; continued lines are joined."""
    text = re.sub(r"\\\n", " ", dockerfile.read_text(encoding="utf-8"))
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_every_image_of_the_components_has_a_dockerfile() -> None:
    for name, reference in IMAGES.items():
        assert reference.endswith(f"/gukbap-{name}:{gukbap.__version__}")
        assert (ROOT / "docker" / f"{name}.Dockerfile") in DOCKERFILES


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.stem)
class TestDockerfile:
    def test_its_base_is_an_argument_with_a_pinned_default(self, dockerfile: Path) -> None:
        steps = instructions(dockerfile)
        first = next(place for place, (name, _) in enumerate(steps) if name == "FROM")
        defaults = dict(argument.split("=", 1) for name, argument in steps[:first] if name == "ARG")
        assert "BASE_IMAGE" in defaults
        for image in defaults.values():
            assert re.fullmatch(r"[a-z0-9./-]+:[A-Za-z0-9._-]+", image)
        stages = [argument for name, argument in steps if name == "FROM"]
        assert stages[-1] == "${BASE_IMAGE}"
        assert all(re.fullmatch(r"\$\{[A-Z]+_IMAGE\}( AS [a-z]+)?", stage) for stage in stages)

    def test_it_runs_as_a_numeric_user_with_a_home_it_can_write(self, dockerfile: Path) -> None:
        steps = instructions(dockerfile)
        assert [argument for name, argument in steps if name == "USER"] == ["10001"]
        run = next(argument for name, argument in reversed(steps) if name == "RUN")
        home = next(argument for name, argument in steps if name == "WORKDIR" and "/home/" in argument)
        environment = " ".join(argument for name, argument in steps if name == "ENV")
        assert f"HOME={home}" in environment
        assert f"chown -R 10001:0 {home}" in run
        if dockerfile.stem in IMAGES:
            assert f"HF_HOME={home}/.cache/huggingface" in environment

    def test_any_builder_can_build_it(self, dockerfile: Path) -> None:
        assert not BUILDKIT_ONLY.search(dockerfile.read_text(encoding="utf-8"))

    def test_what_it_copies_is_in_the_build_context(self, dockerfile: Path) -> None:
        allowed = {
            line.removeprefix("!")
            for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
            if line.startswith("!")
        }
        sources = [
            source
            for name, argument in instructions(dockerfile)
            if name == "COPY" and "--from" not in argument
            for source in argument.split()[:-1]
        ]
        assert sources
        assert set(sources) <= allowed
        assert all((ROOT / source).exists() for source in sources)


def strings(value: Any) -> Iterator[str]:
    """Every string inside a YAML value."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_no_file_names_a_floating_image() -> None:
    files = [*DOCKERFILES, ROOT / "docker" / "compose.yaml", *CHART.rglob("*.yaml")]
    assert [path.name for path in files if ":latest" in path.read_text(encoding="utf-8")] == []


def test_compose_demands_its_secrets_and_pins_its_images() -> None:
    services = read_yaml(ROOT / "docker" / "compose.yaml")["services"]
    assert set(services) == {"minio", "postgres", "mlflow", "gukbap"}
    for service in services.values():
        for name, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER", name):
                assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", value), name
        if "build" in service:
            assert (ROOT / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        else:
            assert re.fullmatch(r"[a-z/]+:[A-Z]*[A-Za-z0-9.-]*\d[A-Za-z0-9.-]*", service["image"])
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:")


def test_compose_lets_the_other_containers_reach_mlflow() -> None:
    services = read_yaml(ROOT / "docker" / "compose.yaml")["services"]
    command = services["mlflow"]["command"]
    allowed = command[command.index("--allowed-hosts") + 1].split(",")
    uri = services["gukbap"]["environment"]["MLFLOW_TRACKING_URI"]
    assert uri == "http://mlflow:5000"
    assert "mlflow:*" in allowed
    assert any("/api/2.0/mlflow/" in word for word in services["mlflow"]["healthcheck"]["test"])


def test_compose_declares_what_it_uses() -> None:
    compose = read_yaml(ROOT / "docker" / "compose.yaml")
    mounted = {
        mount.split(":")[0] for service in compose["services"].values() for mount in service["volumes"]
    }
    assert mounted == set(compose["volumes"])
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])


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
