"""Jobs after an install or upgrade, and the pods of `helm test`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command import gukbap
from tests.helm.rendering import CASES, CHART, named, needs_helm, objects_of, of_kind, render
from tests.kfp_server import kfp_server
from tools.check_chart import program

DOCKER = CHART.parent.parent / "docker" / "minio"
HOOK, POLICY = "helm.sh/hook", "helm.sh/hook-delete-policy"
SECRETS = {
    "MINIO_ROOT_USER": "the-root-user",
    "MINIO_ROOT_PASSWORD": "the-root-password",
    "MINIO_ACCESS_KEY": "the-access-key",
    "MINIO_SECRET_KEY": "the-secret-key",
}


def hooks(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        item["metadata"]["name"]: item for item in objects if HOOK in item["metadata"].get("annotations", {})
    }


@needs_helm
@pytest.mark.parametrize("case", CASES)
def test_jobs_run_after_installs_and_upgrades_and_make_room_for_the_next(case: str) -> None:
    objects = objects_of(case)
    found = hooks(objects)
    assert {item["metadata"]["name"] for item in of_kind(objects, "Job")} <= set(found)
    for name, item in found.items():
        annotations = item["metadata"]["annotations"]
        assert annotations[POLICY] == "before-hook-creation,hook-succeeded", name
        expected = {"Job": "post-install,post-upgrade", "Pod": "test"}[item["kind"]]
        assert annotations[HOOK] == expected, name
    weights = {
        name: int(item["metadata"]["annotations"]["helm.sh/hook-weight"]) for name, item in found.items()
    }
    setups = [weight for name, weight in weights.items() if name.endswith("-minio-setup")]
    applies = [weight for name, weight in weights.items() if "-apply-" in name]
    assert all(setup < apply for setup in setups for apply in applies)
    assert "trial-test-store" in found


@needs_helm
def test_policy_and_lifecycle_are_those_of_compose() -> None:
    data = named(objects_of("values"), "ConfigMap", "trial-minio-setup")["data"]
    for name in ("policy.json", "lifecycle.json"):
        assert json.loads(data[name]) == json.loads((DOCKER / name).read_text(encoding="utf-8"))
    changed = render({"store": {"bucket": "other", "oldVersionsDays": 7}})
    data = named(changed, "ConfigMap", "trial-minio-setup")["data"]
    statements = json.loads(data["policy.json"])["Statement"]
    assert [one["Resource"] for one in statements] == [["arn:aws:s3:::other"], ["arn:aws:s3:::other/*"]]
    [rule] = json.loads(data["lifecycle.json"])["Rules"]
    assert rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A stand-in for MinIO's client: it writes down its arguments and standard input, and stores objects."""
    script = tmp_path / "mc"
    log, stored = tmp_path / "calls.jsonl", tmp_path / "stored"
    script.write_text(
        f"""#!{sys.executable}
import json, os, pathlib, sys
log, stored = pathlib.Path({str(log)!r}), pathlib.Path({str(stored)!r})
command = sys.argv[1:]
reads = command[:2] in (["alias", "set"], ["ilm", "rule"]) or "add" in command or command[0] == "pipe"
given = sys.stdin.read() if reads else ""
with log.open("a") as file:
    file.write(json.dumps([command, given]) + "\\n")
if command[0] == "pipe":
    stored.write_text(given)
elif command[0] == "cat":
    sys.stdout.write(os.environ.get("GARBLED") or stored.read_text())
elif command[0] == "rm":
    stored.unlink()
""",
        encoding="utf-8",
    )
    script.chmod(0o755)
    return tmp_path


def run_script(name: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """One of the chart's scripts, with the files that it finds in its pod."""
    text = (CHART / "files" / name).read_text(encoding="utf-8").replace("/setup/", f"{folder}/")
    for file in ("policy.json", "lifecycle.json"):
        (folder / file).write_text("{}", encoding="utf-8")
    variables = {**SECRETS, "MINIO_ENDPOINT": "http://minio:9000", "BUCKET": "gukbap", "POD": "pod-1"}
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["/bin/sh"],
        input=text,
        env={**variables, "PATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )


def calls(folder: Path) -> list[tuple[list[str], str]]:
    lines = (folder / "calls.jsonl").read_text(encoding="utf-8").splitlines()
    return [(command, given) for command, given in map(json.loads, lines)]


def test_setup_makes_bucket_and_user_and_hands_secrets_over_by_standard_input(stand_in: Path) -> None:
    done = run_script("minio-setup.sh", stand_in)
    assert done.returncode == 0, done.stderr
    made = calls(stand_in)
    assert [" ".join(command[:3]) for command, _ in made] == [
        "alias set admin",
        "mb --ignore-existing admin/gukbap",
        "version enable admin/gukbap",
        "ilm rule import",
        "admin policy create",
        "admin user add",
        "admin policy attach",
    ]
    for command, _ in made:
        assert not any(SECRETS[name] in command for name in ("MINIO_ROOT_PASSWORD", "MINIO_SECRET_KEY"))
    assert made[0][1] == "the-root-user\nthe-root-password\n"
    assert made[5][1] == "the-access-key\nthe-secret-key\n"


def test_the_store_s_test_leaves_nothing_and_fails_where_bytes_differ(stand_in: Path) -> None:
    done = run_script("store-test.sh", stand_in)
    assert done.returncode == 0, done.stderr
    assert [command[0] for command, _ in calls(stand_in)] == ["alias", "pipe", "cat", "rm"]
    assert not any(SECRETS["MINIO_SECRET_KEY"] in command for command, _ in calls(stand_in))
    assert not (stand_in / "stored").exists()
    done = run_script("store-test.sh", stand_in, GARBLED="x")
    assert done.returncode == 1
    assert "is not what was written" in done.stderr


def test_scripts_have_no_findings() -> None:
    checker = program("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not there (the extra dev has it)")
    scripts = sorted(map(str, (CHART / "files").glob("*.sh")))
    assert len(scripts) == 2
    done = subprocess.run([checker, *scripts], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def apply_arguments(objects: list[dict[str, Any]], name: str) -> list[str]:
    [container] = named(objects, "Job", name)["spec"]["template"]["spec"]["containers"]
    arguments: list[str] = container["args"]
    return arguments


@pytest.mark.slow
@needs_helm
def test_the_arguments_of_apply_register_recipe_and_schedule_once(tmp_path: Path) -> None:
    """The very arguments of the Job, given to the command line, against the contract server of KFP."""
    recipe = {"name": "smoke", "set": ["name=renamed"]}
    objects = render({"apply": {"recipes": [recipe], "schedule": "*/30 0 18 * * 0", "wait": 0}})
    arguments = apply_arguments(objects, "trial-apply-smoke")
    assert arguments[:2] == ["apply", "smoke"]
    with kfp_server() as kfp:
        first = gukbap(*arguments, "--json", cwd=tmp_path, KF_PIPELINES_ENDPOINT=kfp.url)
        assert first.returncode == 0, first.stderr
        again = gukbap(*arguments, "--json", cwd=tmp_path, KF_PIPELINES_ENDPOINT=kfp.url)
        assert again.returncode == 0, again.stderr
    made = {change["object"]: change for change in json.loads(first.stdout)["changes"]}
    assert made["pipeline"]["name"] == made["recurring run"]["name"] == "gukbap-renamed"
    assert {change["change"] for change in json.loads(again.stdout)["changes"]} == {"unchanged"}
    [recurring] = kfp.recurring_runs.values()
    assert recurring["trigger"]["cron_schedule"]["cron"] == "*/30 0 18 * * 0"


@needs_helm
def test_apply_tells_recipes_of_secret_claim_and_model_servers() -> None:
    arguments = apply_arguments(objects_of("everything"), "trial-apply-smoke")
    assert {
        "--set=cluster.secret=gukbap",
        "--set=cluster.config_map=gukbap",
        "--set=cluster.work_claim=gukbap-work",
        "--set=cluster.image_pull_secret=registry",
        "--set=teacher.model=team/teacher",
        "--set=teacher.base_url=http://trial-teacher.team-a.svc:8000/v1",
        "--set=teacher.api_key_env=VLLM_API_KEY",
        "--set=teacher.licence=MIT",
        "--set=judge.endpoint.base_url=http://trial-judge.team-a.svc:8000/v1",
    } <= set(arguments)
    own = apply_arguments(objects_of("everything"), "trial-apply-own")
    assert own[1] == "/recipes/own.yaml"
    spec = named(objects_of("everything"), "Job", "trial-apply-own")["spec"]["template"]["spec"]
    assert {"name": "recipes", "configMap": {"name": "trial-recipes"}} in spec["volumes"]


@needs_helm
def test_overrides_of_the_chart_are_keys_of_recipes() -> None:
    from gukbap.recipes import load_recipe

    arguments = apply_arguments(objects_of("everything"), "trial-apply-smoke")
    overrides = [text.removeprefix("--set=") for text in arguments if text.startswith("--set=")]
    recipe = load_recipe("gukbap-mistral-7b", overrides)
    assert recipe.cluster.image_pull_secret == "registry"
    assert recipe.teacher.base_url is not None
    assert recipe.teacher.base_url.startswith("http://trial-teacher.")
    assert recipe.judge.endpoint.api_key_env == "VLLM_API_KEY"
