"""The Kubeflow commands as a user's shell calls them, against the contract server."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from gukbap.cli import main
from tests.command import gukbap
from tests.kfp_server import kfp_server
from tests.kfp_server_rules import Node, pod_of
from tests.kfp_server_state import KfpServer, workflow_of
from tests.shallow import on_own_stack

SCHEDULE = 'schedule={"cron": "0 0 18 * * 0"}'
TOKEN = "eyJhbGciOiJSUzI1NiJ9.c2VjcmV0LXRva2Vu.c2ln"
PIPELINE = "gukbap-smoke"


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server() as server:
        yield server


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KfpServer]:
    """A server on which the smoke recipe was applied by the command itself."""
    with kfp_server() as server:
        done = call(server, "apply", "smoke", "--set", SCHEDULE, folder=tmp_path_factory.mktemp("apply"))
        assert done.returncode == 0, done.stderr
        assert "created" in done.stdout
        yield server


def call(kfp: KfpServer, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, as its entry point does, with the server as the endpoint."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setenv("KF_PIPELINES_ENDPOINT", kfp.url)
        patch.setenv("GUKBAP_DEBUG", "")  # so that --debug is undone at the end
        patch.setattr(sys, "argv", ["gukbap", *arguments])
        code = on_own_stack(_exit_code)
    return subprocess.CompletedProcess(arguments, int(str(code)), out.getvalue(), err.getvalue())


def _exit_code() -> object:
    try:
        main()
    except SystemExit as leave:
        return leave.code or 0
    return 0


def test_apply_twice_changes_nothing_the_second_time(registered: KfpServer, tmp_path: Path) -> None:
    writes = list(registered.writes)
    done = call(registered, "apply", "smoke", "--set", SCHEDULE, "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert {change["object"]: change["change"] for change in answer["changes"]} == {
        "pipeline": "unchanged",
        "version": "unchanged",
        "experiment": "unchanged",
        "recurring run": "unchanged",
    }
    assert registered.writes == writes
    (run,) = registered.recurring_runs.values()
    assert run["runtime_config"]["parameters"] == {"freshness": "always"}
    dry = call(
        registered, "apply", "smoke", "--set", "seed=7", "--set", SCHEDULE, "--dry-run", folder=tmp_path
    )
    assert dry.returncode == 0, dry.stderr
    assert "nothing was written" in dry.stderr
    assert [line.split()[-1 if "created" in line else -2] for line in dry.stdout.splitlines()] == [
        "unchanged",
        "created",
        "unchanged",
        "unchanged",
    ]
    assert registered.writes == writes
    assert list(tmp_path.iterdir()) == [], "nothing is left in the folder or in HOME"


def test_submit_and_follow_a_run_that_succeeds(registered: KfpServer, tmp_path: Path) -> None:
    def on_request(request: str) -> None:
        if request.startswith("GET /apis/v2beta1/runs/"):
            run_id = request.rsplit("/", 1)[1]
            registered.nodes[run_id] = [
                Node("root.exit-handler-1.split", "Succeeded", children=("x",)),
                Node("root.exit-handler-1.split.executor", "Succeeded", "Pod", "system-container-impl"),
            ]
            registered.end_run(run_id, "SUCCEEDED")

    registered.on_request = on_request
    done = call(
        registered,
        *(
            "submit",
            "smoke",
            "--param",
            "epochs=2",
            "--param",
            'strategies=["default"]',
            "--follow",
            "--json",
        ),
        folder=tmp_path,
    )
    registered.on_request = None
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert registered.runs[answer["id"]]["runtime_config"]["parameters"] == {
        "epochs": 2,
        "strategies": ["default"],
    }
    assert answer["final"]["state"] == "SUCCEEDED"
    assert "split: succeeded" in done.stderr
    shown = call(registered, "runs", "--recipe", "smoke", folder=tmp_path)
    assert answer["id"] in shown.stdout


def test_a_failed_run_exits_1_and_its_log_is_at_hand(registered: KfpServer, tmp_path: Path) -> None:
    impl = "retry-system-container-impl"
    node = Node("root.exit-handler-1.judge-5.executor(0)", "Failed", "Pod", impl, "Error (exit code 2)")

    def on_request(request: str) -> None:
        if request.startswith("GET /apis/v2beta1/runs/"):
            run_id = request.rsplit("/", 1)[1]
            registered.nodes[run_id] = [Node("root.exit-handler-1.judge-5", "Failed"), node]
            registered.logs[pod_of(workflow_of(run_id), node)] = "error: 모델이 없다\n"
            registered.end_run(run_id, "FAILED")

    registered.on_request = on_request
    done = call(registered, "submit", "smoke", "--run-name", "mine", "--follow", folder=tmp_path)
    registered.on_request = None
    assert done.returncode == 1
    assert "ended FAILED: judge-tuned-1-shot: Error (exit code 2)" in done.stderr
    assert "Traceback" not in done.stderr
    (run_id,) = [run["run_id"] for run in registered.runs.values() if run["display_name"] == "mine"]
    assert f"gukbap logs {run_id} judge-tuned-1-shot" in done.stderr
    for reference in (run_id, "mine"):
        log = call(registered, "logs", reference, "judge-tuned-1-shot", folder=tmp_path)
        assert (log.returncode, log.stdout) == (0, "error: 모델이 없다\n"), log.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--param", "epoch=2"], "did you mean epochs?"),
        (["--param", "epochs=two"], "epochs='two' is not a whole number (NUMBER_INTEGER)"),
        (["--param", "epochs"], "--param 'epochs'"),
        (["--version", "v9"], "has no version 'v9'"),
        (["--set", "seed=7"], "add --compile"),
    ],
)
def test_a_wrong_submission_exits_2(
    registered: KfpServer, arguments: list[str], said: str, tmp_path: Path
) -> None:
    writes = list(registered.writes)
    done = call(registered, "submit", "smoke", *arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert registered.writes == writes


def test_submit_without_apply_says_apply(kfp: KfpServer, tmp_path: Path) -> None:
    done = call(kfp, "submit", "smoke", folder=tmp_path)
    assert done.returncode == 1
    assert f"the pipeline {PIPELINE} is not registered" in done.stderr
    assert "next: gukbap apply smoke" in done.stderr
    compiled = call(kfp, "submit", "smoke", "--compile", folder=tmp_path)
    assert compiled.returncode == 0, compiled.stderr
    assert [len(kfp.versions), len(kfp.runs), len(kfp.recurring_runs)] == [1, 1, 0]


def test_the_schedule_is_listed_paused_resumed_triggered_and_deleted(kfp: KfpServer, tmp_path: Path) -> None:
    empty = call(kfp, "schedule", "list", folder=tmp_path)
    assert (empty.returncode, empty.stdout) == (0, "")
    assert call(kfp, "schedule", "pause", folder=tmp_path).returncode == 2
    applied = call(kfp, "apply", "smoke", "--set", SCHEDULE, "--param", "seed=7", folder=tmp_path)
    assert applied.returncode == 0, applied.stderr
    listed = call(kfp, "schedule", "list", folder=tmp_path).stdout
    assert "gukbap-smoke" in listed
    assert "0 0 18 * * 0" in listed
    assert "freshness=always seed=7" in listed
    assert "paused" in call(kfp, "schedule", "pause", "smoke", folder=tmp_path).stdout
    assert kfp.enabled() == []
    assert "enabled" in call(kfp, "schedule", "resume", PIPELINE, folder=tmp_path).stdout
    assert len(kfp.enabled()) == 1
    done = json.loads(call(kfp, "schedule", "trigger", "--json", folder=tmp_path).stdout)
    assert kfp.runs[done["id"]]["runtime_config"]["parameters"] == {"freshness": "always", "seed": 7}
    (id_,) = kfp.recurring_runs
    assert "deleted" in call(kfp, "schedule", "delete", id_, folder=tmp_path).stdout
    assert kfp.recurring_runs == {}


def test_a_wrong_cron_is_one_error_and_nothing_is_sent(kfp: KfpServer, tmp_path: Path) -> None:
    done = call(kfp, "apply", "smoke", "--set", 'schedule={"cron": "0 18 * * 0"}', folder=tmp_path)
    assert done.returncode == 2
    assert "cron '0 18 * * 0': it has 5 fields" in done.stderr
    assert "Traceback" not in done.stderr
    assert kfp.requests == []


def test_wrong_parameters_of_the_schedule_are_told_at_once(kfp: KfpServer, tmp_path: Path) -> None:
    done = call(
        kfp,
        "apply",
        "smoke",
        "--set",
        SCHEDULE,
        "--param",
        "epochs=x",
        "--param",
        "nosuch=1",
        folder=tmp_path,
    )
    assert done.returncode == 2
    assert "epochs='x' is not a whole number" in done.stderr
    assert "no parameter 'nosuch'" in done.stderr
    assert kfp.writes == []


def test_an_unreachable_api_exits_1(kfp: KfpServer, tmp_path: Path) -> None:
    nobody = ["--endpoint", "http://127.0.0.1:1"]
    for command in (["apply", "smoke", "--wait", "0.2"], ["schedule", "list"], ["runs"], ["logs", "r", "s"]):
        done = call(kfp, *command, *nobody, folder=tmp_path)
        assert done.returncode == 1, done.stderr
        assert "http://127.0.0.1:1 cannot be reached" in done.stderr
        assert "Traceback" not in done.stderr


def test_no_output_ever_holds_the_token(kfp: KfpServer, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    kfp.token = "another"
    for debug in ([], ["--debug"]):
        done = gukbap(
            *debug, "schedule", "list", "--token-file", "token", "--endpoint", kfp.url, cwd=tmp_path
        )
        assert done.returncode == 1
        assert "asks for a valid token" in done.stderr
        assert TOKEN not in done.stdout + done.stderr
    kfp.token = TOKEN
    done = call(kfp, "--debug", "schedule", "list", "--token-file", "token", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert set(kfp.seen_tokens) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("write", ["recurringruns", ":enable"])
def test_an_apply_killed_in_the_middle_is_healed(kfp: KfpServer, tmp_path: Path, write: str) -> None:
    """kill -9 of the real process, at the moment when the server is asked for a write."""
    command = [sys.executable, "-m", "gukbap", "apply", "smoke", "--set", SCHEDULE, "--endpoint", kfp.url]
    killed = threading.Event()
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )

    def on_request(request: str) -> None:
        if request.startswith("POST") and request.endswith(write) and not killed.is_set():
            killed.set()
            process.send_signal(signal.SIGKILL)

    kfp.on_request = on_request
    assert process.wait(timeout=120) == -signal.SIGKILL
    assert killed.is_set()
    done = call(kfp, "apply", "smoke", "--set", SCHEDULE, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [len(kfp.pipelines), len(kfp.versions), len(kfp.recurring_runs)] == [1, 1, 1]
    assert len(kfp.enabled()) == 1


@pytest.mark.slow
def test_simultaneous_processes_leave_one_of_each(kfp: KfpServer, tmp_path: Path) -> None:
    kfp.jitter = 0.05
    command = [sys.executable, "-m", "gukbap", "apply", "smoke", "--set", SCHEDULE, "--endpoint", kfp.url]
    processes = [
        subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in processes:
        _, said = process.communicate(timeout=150)
        assert process.returncode == 0, said
    assert [len(kfp.pipelines), len(kfp.versions), len(kfp.experiments)] == [1, 1, 1]
    assert len(kfp.recurring_runs) == len(kfp.enabled()) == 1


@pytest.mark.parametrize(("state", "code"), [("SUCCEEDED", 0), ("FAILED", 1), ("CANCELED", 1)])
def test_the_runner_kfp_registers_submits_follows_and_ends_as_the_run_did(
    kfp: KfpServer, tmp_path: Path, state: str, code: int
) -> None:
    def on_request(request: str) -> None:
        if request.startswith("GET /apis/v2beta1/runs/"):
            run_id = request.rsplit("/", 1)[1]
            split = "Failed" if state == "FAILED" else "Succeeded"
            kfp.nodes[run_id] = [
                Node("root.exit-handler-1.split", split, children=("x",)),
                Node("root.exit-handler-1.split.executor", split, "Pod", "system-container-impl"),
            ]
            kfp.end_run(run_id, state)

    kfp.on_request = on_request
    done = call(kfp, "run", "smoke", "--runner", "kfp", "--run-id", "mine", "--json", folder=tmp_path)
    assert done.returncode == code, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["name"], answer["final"]["state"]) == ("mine", state)
    [version] = kfp.versions.values()
    assert (
        kfp.runs[answer["id"]]["pipeline_version_reference"]["pipeline_version_id"]
        == (version["pipeline_version_id"])
    )
    assert not list(tmp_path.glob("runs/*"))
    if state == "FAILED":
        assert f"gukbap logs {answer['id']} split" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "--resume", "x", "--runner", "kfp"), "--resume goes on with a run of this machine"),
        (("run", "smoke", "--endpoint", "http://x"), "say nothing to --runner inprocess"),
        (("runs", "--close", "gukbap"), "--close needs MLFLOW_TRACKING_URI"),
    ],
)
def test_options_that_do_not_fit_the_runner_are_refused(
    kfp: KfpServer, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = call(kfp, *arguments, folder=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert not kfp.writes
