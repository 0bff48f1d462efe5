"""Steps in containers of the project's own images, with a real Docker engine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gukbap.errors import GukbapError, StageFailedError
from gukbap.runners import docker as docker_runner
from gukbap.runners.containers import LABEL, lines, remove_leftovers, run_container
from gukbap.runners.run_folder import RunFolder
from tests import docker_images
from tests.command import gukbap
from tests.runners.one_step import CPU, recipe, run

SECRET = "the-teachers-key-that-no-file-may-hold"
OTHER_SECRET = "a-key-that-no-step-needs"


@pytest.mark.docker
@pytest.mark.slow
def test_docker_gives_the_same_files_as_subprocess(engine: Any, tmp_path: Path) -> None:
    for runner in ("subprocess", "docker"):
        done = gukbap(
            "run", "smoke", "--runner", runner, "--run-id", runner,
            "--set", "infer.strategies=[default]",
            cwd=tmp_path,
            GUKBAP_IMAGE_REPOSITORY=docker_images.REPOSITORY,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    one, other = tmp_path / "runs" / "subprocess", tmp_path / "runs" / "docker"
    names = [
        path.relative_to(one)
        for pattern in ("dataset/*", "answers/*", "judgements/*", "scores.json", "model/*.safetensors")
        for path in one.glob(pattern)
    ]
    assert len(names) >= 5 + 2 + 2 + 1 + 1
    assert [str(name) for name in names if (one / name).read_bytes() != (other / name).read_bytes()] == []
    state = json.loads((other / "run.json").read_text(encoding="utf-8"))
    assert {step["runner"] for step in state["steps"].values()} == {"docker"}
    assert engine.containers.list(all=True, filters={"label": f"{LABEL}={other}"}) == []


@pytest.mark.docker
def test_a_failing_step_tells_its_own_words_from_its_container(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_KEY", SECRET)
    folder = RunFolder.create(tmp_path, recipe("http://127.0.0.1:9/v1"), "failing")
    with pytest.raises(StageFailedError, match=r"127\.0\.0\.1:9"):
        run("docker", folder)


@pytest.mark.docker
def test_an_image_that_is_not_there_is_named_with_how_to_make_it(engine: Any, tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, recipe("http://127.0.0.1:9/v1"), "imageless")
    with pytest.raises(GukbapError, match=r"images are missing: nobody/has:this(.|\n)*make images"):
        run("docker", folder, image="nobody/has:this")


@pytest.mark.docker
def test_what_the_engine_refuses_is_one_error(
    engine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker_runner, "_user", lambda info: "no:such:user")
    folder = RunFolder.create(tmp_path, recipe("http://127.0.0.1:9/v1"), "refused")
    with pytest.raises(GukbapError, match="the Docker engine refused"):
        run("docker", folder)


@pytest.mark.docker
def test_a_container_gives_its_status_and_its_whole_text(
    engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """kfp.local's own function takes about every seventh of these for a success."""
    command = ["-c", "print('국밥 한 그릇\\n' * 2000, end='', flush=True); raise SystemExit(3)"]
    statuses = [
        run_container(engine, CPU, command, {}, network_mode="host", entrypoint=["python"]) for _ in range(20)
    ]
    assert statuses == [3] * 20
    assert capsys.readouterr().out == "국밥 한 그릇\n" * 2000 * 20


@pytest.mark.docker
def test_containers_of_a_killed_run_are_ended_and_no_others(engine: Any) -> None:
    started = [
        engine.containers.run(
            CPU,
            ["-c", "import time; time.sleep(300)"],
            entrypoint=["python"],
            network_mode="host",
            detach=True,
            labels={LABEL: name},
        )
        for name in ("/runs/one", "/runs/other")
    ]
    try:
        assert remove_leftovers(engine, "/runs/one") == 1
        assert remove_leftovers(engine, "/runs/one") == 0
        started[1].reload()
        assert started[1].status == "running"
    finally:
        assert remove_leftovers(engine, "/runs/other") == 1


def test_lines_are_whole_wherever_their_bytes_are_cut() -> None:
    content = "· 국밥: 3/12\n두 번째\n\n끝".encode()
    for size in range(1, len(content)):
        pieces = [content[start : start + size] for start in range(0, len(content), size)]
        assert list(lines(pieces)) == ["· 국밥: 3/12", "두 번째", "", "끝"]
    assert list(lines([b"\xea\xb5", b"\n"])) == ["\ufffd"]


def test_an_engine_that_is_not_there_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    folder = RunFolder.create(tmp_path, recipe("http://127.0.0.1:9/v1"), "engineless")
    with pytest.raises(GukbapError, match=r"no Docker engine answers(.|\n)*DOCKER_HOST"):
        run("docker", folder)


class TestWhatAContainerSees:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
        monkeypatch.setenv("TEACHER_KEY", SECRET)
        monkeypatch.setenv("OTHER_KEY", OTHER_SECRET)
        monkeypatch.setenv("MINIO_ACCESS_KEY", "store-id")
        monkeypatch.setenv("GUKBAP_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
        return RunFolder.create(tmp_path / "runs", recipe("http://127.0.0.1:9/v1"), "seen")

    def test_of_the_environment_only_what_the_recipe_and_the_handover_name(self, folder: RunFolder) -> None:
        arguments = docker_runner._container_arguments({}, folder, {"MLFLOW_EXPERIMENT_NAME": "gukbap"})
        variables = arguments["environment"]
        assert variables["TEACHER_KEY"] == SECRET
        assert variables["MINIO_ACCESS_KEY"] == "store-id"
        assert variables["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "5"
        assert variables["MLFLOW_EXPERIMENT_NAME"] == "gukbap"
        assert variables["GUKBAP_WORK_DIR"] == str(folder.work)
        assert OTHER_SECRET not in variables.values()
        assert {"PATH", "HOME", "OTHER_KEY"} & set(variables) == set()

    def test_of_the_disk_only_the_run_the_cache_tracking_and_input_files(
        self, folder: RunFolder, tmp_path: Path
    ) -> None:
        seeds = tmp_path / "elsewhere" / "seeds.jsonl"
        seeds.parent.mkdir()
        seeds.touch()
        changed = folder.recipe.model_copy(
            update={"generate": folder.recipe.generate.model_copy(update={"seeds": str(seeds)})}
        )
        variables = {
            "GUKBAP_CACHE": str(tmp_path / "cache"),
            "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow/tracking.sqlite3",
        }
        assert docker_runner._mounts(changed, folder, variables) == {
            seeds: True,
            folder.work: False,
            tmp_path / "cache": False,
            tmp_path / "mlflow": False,
        }

    def test_it_works_as_the_user_who_started_the_run(self, folder: RunFolder) -> None:
        started = docker_runner._container_arguments({"SecurityOptions": ["name=seccomp"]}, folder, {})
        assert started["user"] == f"{os.getuid()}:{os.getgid()}"
        rootless = docker_runner._container_arguments({"SecurityOptions": ["name=rootless"]}, folder, {})
        assert rootless["user"] == "0:0"
