"""docker/compose.yaml: its secrets, images, rights and names, and that Compose itself takes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import images
from gukbap import __version__
from tools.build_images import FILES

FOLDER = Path(__file__).resolve().parent.parent / "docker"
COMPOSE, GPU = FOLDER / "compose.yaml", FOLDER / "compose.gpu.yaml"
SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|ROOT_USER|API_KEY")


def read(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def own_services() -> dict[str, dict[str, Any]]:
    """Every service of the project's own images."""
    services = {**read(COMPOSE)["services"], "vllm": read(GPU)["services"]["vllm"]}
    return {name: service for name, service in services.items() if "build" in service}


def test_no_secret_has_a_default() -> None:
    for path in (COMPOSE, GPU):
        for service in read(path)["services"].values():
            for name, value in service.get("environment", {}).items():
                if SECRET.search(name):
                    # A run may do without vLLM's key.
                    assert re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}|\$\{VLLM_API_KEY:-\}", value), name


def test_the_example_names_every_variable_and_gives_none_a_value() -> None:
    lines = (FOLDER / ".env.example").read_text(encoding="utf-8").splitlines()
    named = {line for line in lines if line and not line.startswith("#")}
    text = COMPOSE.read_text(encoding="utf-8") + GPU.read_text(encoding="utf-8")
    assert named == {f"{name}=" for name in re.findall(r"\$\{([A-Z_]+):\?", text)}


def test_images_of_others_are_pinned_in_one_place() -> None:
    compose = read(COMPOSE)
    pins = compose["x-images"]
    for reference in pins.values():
        assert re.fullmatch(r"[a-z/]+:[A-Z]*[A-Za-z0-9.-]*\d[A-Za-z0-9.-]*", reference)
    others = [service["image"] for service in compose["services"].values() if "build" not in service]
    assert set(others) == set(pins.values())
    text = COMPOSE.read_text(encoding="utf-8")
    assert [reference for reference in pins.values() if text.count(reference) != 1] == []


def test_images_of_the_project_are_those_that_make_images_builds() -> None:
    assert set(own_services()) == {"mlflow", "gukbap", "vllm"}
    for service in own_services().values():
        place, name = service["image"].rsplit("/", 1)
        assert place == "${GUKBAP_IMAGE_REPOSITORY:-gukbap}"
        kind = name.removeprefix("gukbap-").removesuffix(f":{__version__}")
        assert f"{images.REPOSITORY}/{name}" in (images.MLFLOW, images.TRAIN, images.VLLM)
        file, arguments = FILES[kind]
        built = service["build"]
        assert (FOLDER / built["context"] / built["dockerfile"]).resolve() == FOLDER / file
        assert [f"{key}={value}" for key, value in built.get("args", {}).items()] == arguments


def test_no_service_has_more_rights_or_memory_than_it_needs() -> None:
    services = {**read(COMPOSE)["services"], "vllm": read(GPU)["services"]["vllm"]}
    assert set(services) == {"minio", "minio-setup", "postgres", "mlflow", "gukbap", "vllm"}
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "memory" in service["deploy"]["resources"]["limits"], name
        assert not {"privileged", "cap_add", "network_mode", "pid"} & set(service), name
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), name
        for mount in service.get("volumes", []):
            assert mount.startswith("./minio:/setup:ro") or not mount.startswith((".", "/")), name


def test_only_the_setup_and_minio_know_the_administrator() -> None:
    for name, service in read(COMPOSE)["services"].items():
        root = any("MINIO_ROOT" in str(value) for value in service.get("environment", {}).values())
        assert root == (name in ("minio", "minio-setup"))


def test_the_user_of_runs_may_use_one_bucket_and_nothing_else() -> None:
    policy = json.loads((FOLDER / "minio" / "policy.json").read_text(encoding="utf-8"))
    for statement in policy["Statement"]:
        assert statement["Effect"] == "Allow"
        assert all(re.fullmatch(r"arn:aws:s3:::gukbap(/\*)?", place) for place in statement["Resource"])
        assert [action for action in statement["Action"] if "*" in action or "Bucket" in action[9:]] in (
            [],
            ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
        )
    destination = read(COMPOSE)["services"]["mlflow"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"]
    assert destination.startswith("s3://gukbap/")


def test_the_setup_hands_mc_its_secrets_on_standard_input_alone(tmp_path: Path) -> None:
    """`mc` is a double that keeps its arguments and its input; MinIO cannot be installed here."""
    calls = tmp_path / "calls"
    calls.mkdir()
    double = tmp_path / "mc"
    double.write_text(
        "#!/bin/sh\nset -eu\nnumber=$(find calls -type f | wc -l)\n"
        'printf \'%s\\n\' "$@" > "calls/$number.arguments"\n'
        'case "$2" in set|add) cat > "calls/$number.input" ;; esac\n'
        'case "$3" in add|import) cat > "calls/$number.input" ;; esac\n'
    )
    double.chmod(0o755)
    secrets = {
        "MINIO_ROOT_USER": "admin-id",
        "MINIO_ROOT_PASSWORD": "admin secret % \\n '$x",
        "MINIO_ACCESS_KEY": "runs-id",
        "MINIO_SECRET_KEY": "runs secret % \\n '$x",
    }
    script = (FOLDER / "minio" / "setup.sh").read_text(encoding="utf-8")
    # The place inside the container.
    local = script.replace("/setup/", f"{FOLDER}/minio/")
    environment = {**secrets, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    subprocess.run(["/bin/sh", "-c", local], check=True, cwd=tmp_path, env=environment)
    arguments = [path.read_text() for path in calls.glob("*.arguments")]
    assert len(arguments) == 7
    for name in ("MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"):
        assert [text for text in arguments if secrets[name] in text] == []
    given = {path.read_text() for path in calls.glob("*.input")}
    assert f"{secrets['MINIO_ROOT_USER']}\n{secrets['MINIO_ROOT_PASSWORD']}\n" in given
    assert f"{secrets['MINIO_ACCESS_KEY']}\n{secrets['MINIO_SECRET_KEY']}\n" in given


def test_the_other_containers_reach_mlflow() -> None:
    services = read(COMPOSE)["services"]
    environment = services["mlflow"]["environment"]
    uri = services["gukbap"]["environment"]["MLFLOW_TRACKING_URI"]
    assert uri == environment["MLFLOW_HEALTH_URL"] == "http://mlflow:5000"
    assert "mlflow:*" in environment["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert set(services["gukbap"]["networks"]) & set(services["mlflow"]["networks"])
    assert not set(services["gukbap"]["networks"]) & set(services["postgres"]["networks"])


def test_compose_declares_what_it_uses() -> None:
    compose = read(COMPOSE)
    services = compose["services"].values()
    mounted = {mount.split(":")[0] for service in services for mount in service.get("volumes", [])}
    assert mounted - {"./minio"} == set(compose["volumes"])
    assert {network for service in services for network in service["networks"]} == set(compose["networks"])
    for service in services:
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def compose_command() -> list[str]:
    """Docker Compose v2, as the engine's plugin or as a program of its own."""
    if program := shutil.which("docker-compose"):
        return [program]
    docker = shutil.which("docker")
    if docker and subprocess.run([docker, "compose", "version"], capture_output=True).returncode == 0:
        return [docker, "compose"]
    pytest.skip("there is no Docker Compose; the files were only read as YAML")


@pytest.mark.skipif(
    not (shutil.which("docker") or shutil.which("docker-compose")), reason="there is no Docker"
)
@pytest.mark.parametrize("files", [[COMPOSE], [COMPOSE, GPU]], ids=["plain", "gpu"])
def test_compose_takes_the_files_and_asks_for_each_secret(files: list[Path], tmp_path: Path) -> None:
    command = [*compose_command(), *(word for path in files for word in ("-f", str(path)))]
    command += ["--profile", "run", "--profile", "teacher"]
    example = (FOLDER / ".env.example").read_text(encoding="utf-8")
    filled = re.sub(r"^([A-Z_]+)=$", r"\1=value-of-\1", example, flags=re.M)
    (tmp_path / "filled").write_text(filled, encoding="utf-8")
    (tmp_path / "empty").write_text(example, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def config(name: str) -> subprocess.CompletedProcess[str]:
        given = [*command, "--env-file", str(tmp_path / name), "config", "--format", "json"]
        return subprocess.run(given, capture_output=True, text=True, env=environment)

    done = config("filled")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    services = json.loads(done.stdout)["services"]
    assert services["mlflow"]["environment"]["PGPASSWORD"] == "value-of-POSTGRES_PASSWORD"
    assert services["minio-setup"]["depends_on"]["minio"]["condition"] == "service_healthy"
    refused = config("empty")
    assert refused.returncode != 0
    assert ".env.example" in refused.stderr
