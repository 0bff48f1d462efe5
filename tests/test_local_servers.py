"""`gukbap up` and `gukbap down` as a user's shell calls them, with the real servers."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from minio import Minio
from mlflow import MlflowClient

from gukbap.adapters.local_servers.keys import keys_in
from gukbap.adapters.local_servers.processes import MARK, ProcessId, started_at
from tests.command import gukbap
from tests.servers import free_ports

pytestmark = [pytest.mark.s3, pytest.mark.mlflow, pytest.mark.slow]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with a name that URLs and shells do not like; whatever happens, nothing stays running."""
    folder = tmp_path / "my data, 100%"
    yield folder
    # At once: an orderly end, which takes SeaweedFS 15 seconds, has a test of its own.
    while left := processes(folder):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.1)


def processes(folder: Path) -> list[int]:
    """The processes that carry the mark of the folder's servers, found without the project's code."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"@{folder}".encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
        except OSError:
            continue  # it has just ended, or is another user's
    return found


def up(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Start the servers on free ports (or those of the arguments) and give what the command says."""
    done = gukbap("up", "--folder", str(folder), "--json", *arguments, cwd=folder.parent, **environment)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert [server["state"] for server in answer["servers"]] == ["running", "running"]
    return answer


def on_free_ports() -> list[str]:
    s3, mlflow = free_ports(2)
    return ["--s3-port", str(s3), "--mlflow-port", str(mlflow)]


def pids(answer: dict[str, Any]) -> dict[str, int]:
    return {server["name"]: server["pid"] for server in answer["servers"]}


def variables(folder: Path) -> dict[str, str]:
    """What a shell has after `eval "$(gukbap env)"`."""
    printed = gukbap("env", "--folder", str(folder), cwd=folder.parent)
    assert printed.returncode == 0, printed.stderr
    shell = subprocess.run(
        ["sh", "-c", 'eval "$1"; env -0', "sh", printed.stdout], capture_output=True, text=True, check=True
    )
    pairs = dict(line.split("=", 1) for line in shell.stdout.split("\0") if "=" in line)
    return {name: pairs[name] for name in pairs if name.startswith(("MINIO_", "MLFLOW_TRACKING_URI"))}


def stored(env: dict[str, str]) -> dict[str, str]:
    """Key → SHA-256 of every object of the bucket under runs/, read back."""
    client = Minio(
        env["MINIO_ENDPOINT"].removeprefix("http://"),
        env["MINIO_ACCESS_KEY"],
        env["MINIO_SECRET_KEY"],
        secure=False,
    )
    hashes = {}
    for item in client.list_objects("gukbap", prefix="runs/", recursive=True):
        reply = client.get_object("gukbap", item.object_name)
        hashes[item.object_name] = hashlib.sha256(reply.read()).hexdigest()
        reply.close()
    return hashes


def test_up_run_down_and_up_again(folder: Path, tmp_path: Path) -> None:
    first = up(folder, *on_free_ports())
    assert (folder / "keys.json").stat().st_mode & 0o777 == 0o600
    assert (folder / "s3.json").stat().st_mode & 0o777 == 0o600
    env = variables(folder)
    arguments = [psutil.Process(pid).cmdline() for pid in processes(folder)]
    done = gukbap(
        *("run", "smoke", "--run-id", "kept", "--set", "store.url=s3://gukbap/runs"),
        *("--set", "infer.strategies=[default]"),
        cwd=tmp_path,
        **env,
    )
    assert done.returncode == 0, done.stderr

    run = tmp_path / "runs" / "kept"
    objects = stored(env)
    assert {"scores.json", "report.html", "model/model.safetensors", "dataset/train.jsonl"} <= {
        key.removeprefix("runs/kept/") for key in objects
    }
    here = {key: hashlib.sha256((tmp_path / key).read_bytes()).hexdigest() for key in objects}
    assert objects == here
    tracked = runs(env)
    assert [status for _, status, parent in tracked if parent is None] == ["FINISHED"]
    assert [status for _, status, parent in tracked if parent] == ["FINISHED"] * 11
    with_artifact = artifact_of(env, tmp_path)
    assert with_artifact == b"through the server"

    assert up(folder) == first, "a second up changes nothing"
    stopped = gukbap("down", "--folder", str(folder), "--json", cwd=tmp_path)
    assert json.loads(stopped.stdout)["stopped"] == ["mlflow", "s3"]
    assert processes(folder) == []
    again = gukbap("down", "--folder", str(folder), cwd=tmp_path)
    assert (again.returncode, again.stdout) == (0, f"nothing runs in {folder}\n")
    assert gukbap("status", "--folder", str(folder), cwd=tmp_path).returncode == 1
    refused = gukbap("env", "--folder", str(folder), cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "next: gukbap up" in refused.stderr

    second = up(folder)
    assert [s["url"] for s in second["servers"]] == [s["url"] for s in first["servers"]], "ports are kept"
    assert variables(folder) == env, "keys are kept"
    assert stored(env) == objects
    assert runs(env) == tracked

    secret = env["MINIO_SECRET_KEY"]
    texts = [done.stdout + done.stderr, json.dumps([first, second]), str(arguments)]
    assert not any(secret in text for text in texts)
    files = [*folder.glob("logs/*"), folder / "state.json", *run.rglob("*")]
    assert len(files) > 20
    holding = [path for path in files if path.is_file() and secret.encode() in path.read_bytes()]
    assert holding == []


def runs(env: dict[str, str]) -> list[tuple[str, str, str | None]]:
    """Id, status and parent of every run of the experiment gukbap."""
    client = MlflowClient(env["MLFLOW_TRACKING_URI"])
    [experiment] = client.search_experiments(filter_string="name = 'gukbap'")
    found = client.search_runs([experiment.experiment_id], max_results=500)
    return sorted((r.info.run_id, r.info.status, r.data.tags.get("mlflow.parentRunId")) for r in found)


def artifact_of(env: dict[str, str], tmp_path: Path) -> bytes:
    """An artifact that went through MLflow into the bucket and back; this process has no key of it."""
    client = MlflowClient(env["MLFLOW_TRACKING_URI"])
    made = client.create_run(client.create_experiment("artifacts"))
    client.log_text(made.info.run_id, "through the server", "note.txt")
    return Path(client.download_artifacts(made.info.run_id, "note.txt", str(tmp_path))).read_bytes()


def test_what_has_crashed_is_started_again_and_what_runs_is_left_alone(folder: Path) -> None:
    first = pids(up(folder, *on_free_ports()))
    os.kill(first["mlflow"], signal.SIGKILL)
    command = [sys.executable, "-m", "gukbap", "up", "--folder", str(folder), "--json"]
    at_once = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) for _ in range(2)]
    second, same = (pids(json.loads(process.communicate(timeout=120)[0])) for process in at_once)
    assert second == same, "two at once start one server"
    assert second["s3"] == first["s3"]
    assert second["mlflow"] != first["mlflow"]
    taken = gukbap("up", "--folder", str(folder), "--s3-port", "65000", cwd=folder.parent)
    assert taken.returncode == 2
    assert "runs on port" in taken.stderr
    (folder / "state.json").unlink()
    stopped = gukbap("down", "--folder", str(folder), "--json", cwd=folder.parent)
    assert json.loads(stopped.stdout)["stopped"] == ["mlflow", "s3"], "found without a state file"


def test_an_up_that_is_killed_anywhere_is_mended_by_the_next(folder: Path) -> None:
    """Kill −9 at the first sign of each step: before a process is noted, while it is, and after."""
    ports = on_free_ports()
    for sign in ("keys.json", "logs/s3.log", "logs/mlflow.log"):
        process = subprocess.Popen(
            [sys.executable, "-m", "gukbap", "up", "--folder", str(folder), *ports],
            cwd=folder.parent,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 60
        while not (folder / sign).exists():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.kill()
        process.wait()
    # As if the kill had come between the start of a process and the note of it.
    state = json.loads((folder / "state.json").read_text())
    state["processes"] = {}
    (folder / "state.json").write_text(json.dumps(state))
    strays = processes(folder)
    assert strays
    answer = up(folder)
    assert not set(strays) & set(pids(answer).values())
    assert not set(strays) & set(processes(folder))


def test_a_taken_port_is_told_and_nothing_is_left_running(folder: Path) -> None:
    s3, mlflow = free_ports(2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", mlflow))
        other.listen()
        arguments = ("--s3-port", str(s3), "--mlflow-port", str(mlflow))
        done = gukbap("up", "--folder", str(folder), *arguments, cwd=folder.parent)
    assert done.returncode == 1
    assert f"port {mlflow}, which is the MLflow server's, is taken by another program" in done.stderr
    assert "--mlflow-port" in done.stderr
    assert "Traceback" not in done.stderr
    assert processes(folder) == []


def test_another_process_with_the_noted_pid_is_never_ended(folder: Path) -> None:
    """A state file of an earlier boot: its pids belong to others now."""
    folder.mkdir()
    keys_in(folder)
    s3, mlflow = free_ports(2)
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as other:
        noted = {"pid": other.pid, "started": "another-boot:1"}
        state = {"ports": {"s3": s3, "mlflow": mlflow}, "processes": {"s3": noted, "mlflow": noted}}
        (folder / "state.json").write_text(json.dumps(state))
        done = gukbap("down", "--folder", str(folder), cwd=folder.parent)
        assert (done.returncode, other.poll()) == (0, None), done.stderr
        assert "nothing runs" in done.stdout
        assert ProcessId(other.pid, started_at(other.pid) or "").is_running
        other.kill()
        other.wait()
        assert started_at(other.pid) is None


def test_a_process_that_ignores_sigterm_is_killed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gukbap.adapters.local_servers import processes as module

    monkeypatch.setattr(module, "TERM_SECONDS", 1.0)
    mark = f"s3@{folder}"
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    code += "print('x', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, MARK: mark},
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        assert module.end_all(lambda: module.members(mark, None), "it")
        assert stubborn.wait() == -signal.SIGKILL


def test_what_is_missing_or_damaged_is_one_clear_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gukbap.adapters.local_servers import seaweed
    from gukbap.errors import GukbapError

    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GukbapError, match="weed \\(SeaweedFS\\), is not installed"):
        seaweed.weed()
    monkeypatch.undo()
    folder.mkdir()
    (folder / "state.json").write_text("{")
    done = gukbap("up", "--folder", str(folder), cwd=folder.parent)
    assert done.returncode == 2
    assert "state.json is damaged" in done.stderr
    (folder / "state.json").unlink()
    (folder / "keys.json").write_text('{"access_key": "x"}')
    done = gukbap("up", "--folder", str(folder), cwd=folder.parent)
    assert done.returncode == 2
    assert "keys.json does not hold a key pair" in done.stderr
    (folder / "keys.json").unlink()
