"""Steps in containers of the project's own images, with a real Docker engine."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gukbap.errors import GukbapError, StageFailedError
from gukbap.runners import docker as docker_runner
from gukbap.runners.containers import LABEL, lines, remove_leftovers, run_container
from gukbap.runners.run_folder import RunFolder
from tests import docker_images
from tests.runners.one_step import CPU, TRAIN, recipe, run

SECRET = "the-teachers-key-that-no-file-may-hold"
OTHER_SECRET = "a-key-that-no-step-needs"


@pytest.mark.docker
@pytest.mark.slow
def test_a_stranger_ends_the_smoke_recipe_with_the_same_files_as_subprocess(
    engine: Any, stranger: list[str], stranger_folder: Path
) -> None:
    """Light steps in the cpu image, training and answering in the train image; both are read-only, and
    know nothing of the user number that they run as."""
    for runner in ("subprocess", "docker"):
        done = subprocess.run(
            [
                *stranger,
                sys.executable,
                "-m",
                "gukbap",
                "run",
                "smoke",
                "--runner",
                runner,
                "--run-id",
                runner,
            ],
            cwd=stranger_folder,
            env={
                **os.environ,
                "GUKBAP_IMAGE_REPOSITORY": docker_images.REPOSITORY,
                "HOME": str(stranger_folder),
                "USER": "stranger",
            },
            capture_output=True,
            text=True,
            timeout=500,
        )
        assert done.returncode == 0, done.stderr
    one, other = stranger_folder / "runs" / "subprocess", stranger_folder / "runs" / "docker"
    names = [
        path.relative_to(one)
        for pattern in ("dataset/*", "answers/*", "judgements/*", "scores.json", "model/*.safetensors")
        for path in one.glob(pattern)
    ]
    assert len(names) >= 5 + 2 + 6 + 1 + 1
    assert [str(name) for name in names if (one / name).read_bytes() != (other / name).read_bytes()] == []
    state = json.loads((other / "run.json").read_text(encoding="utf-8"))
    assert {step["runner"] for step in state["steps"].values()} == {"docker"}
    assert {path.stat().st_uid for path in other.rglob("*")} == {stranger_folder.stat().st_uid}
    assert engine.containers.list(all=True, filters={"label": f"{LABEL}={other}"}) == []


@pytest.fixture
def stranger(stranger_folder: Path) -> list[str]:
    """The command that makes another one run as the folder's owner, in group 0 and with access to the
    engine. It may read what is root's alone, since this Python may lie there, and write nothing of it."""
    user = stranger_folder.stat().st_uid
    if user == os.getuid():
        return []
    program = shutil.which("setpriv")
    if program is None:
        pytest.skip("there is no setpriv (util-linux), so root cannot become another user")
    socket = Path(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://"))
    groups = {"0", str(socket.stat().st_gid)} if socket.exists() else {"0"}
    reads = "+dac_read_search"
    return [program, f"--reuid={user}", "--regid=0", f"--groups={','.join(sorted(groups))}",
            f"--inh-caps={reads}", f"--ambient-caps={reads}"]  # fmt: skip


@pytest.fixture
def stranger_folder() -> Iterator[Path]:
    """A folder of a user whom nothing on this machine or in the images knows. Only root can become one;
    anybody else is unknown to the images anyway."""
    with tempfile.TemporaryDirectory(prefix="gukbap-stranger-") as name:
        if os.getuid() == 0:
            os.chown(name, 1_000_000_000 + secrets.randbelow(10**8), 0)
        yield Path(name)


@pytest.mark.docker
@pytest.mark.parametrize("image", [CPU, TRAIN])
def test_a_step_has_no_rights_and_writes_only_where_it_must(engine: Any, tmp_path: Path, image: str) -> None:
    folder = RunFolder.create(tmp_path, recipe("http://127.0.0.1:9/v1"), "confined")
    arguments = docker_runner._container_arguments(engine.info(), folder, {})
    arguments |= {"user": "1234567890:0", "entrypoint": ["python", "-c", LOOK_AROUND]}
    container = engine.containers.create(image, **arguments)
    try:
        container.start()
        assert container.wait()["StatusCode"] == 0, container.logs().decode()
        seen = json.loads(container.logs())
    finally:
        container.remove(force=True)
    assert seen["writable"] == ["/tmp", "/home/gukbap", "/home/gukbap/.cache/huggingface"]
    assert (seen["CapEff"], seen["CapBnd"], seen["NoNewPrivs"]) == ("0" * 16, "0" * 16, "1")


LOOK_AROUND = """
import json, os, pathlib, tempfile
places = ["/", "/etc", "/opt/gukbap", "/usr", "/var", "/tmp", os.environ["HOME"], os.environ["HF_HOME"]]
seen = {"writable": []}
for place in places:
    try:
        pathlib.Path(place).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            seen["writable"].append(place)
    except OSError:
        pass
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name in ("CapEff", "CapBnd", "NoNewPrivs"):
        seen[name] = value.strip()
print(json.dumps(seen))
"""


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

    def test_it_has_no_rights_and_writes_to_memory_and_mounts_alone(self, folder: RunFolder) -> None:
        arguments = docker_runner._container_arguments({}, folder, {})
        assert arguments["read_only"] is True
        assert arguments["cap_drop"] == ["ALL"]
        assert arguments["security_opt"] == ["no-new-privileges"]
        assert set(arguments["tmpfs"]) == {"/tmp", "/home/gukbap"}
