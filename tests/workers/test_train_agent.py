"""How processes ended: which one was the first, by what, and what it said last."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from gukbap.stages.train import launch
from gukbap.stages.train.crashes import (
    STOPPED,
    Crash,
    clear_crashes,
    crash_error,
    last_lines,
    leave_crashes,
    left_crashes,
    log_of,
)
from gukbap.stages.train.launch import left_error, process_command
from tests.workers.failing_worker import FAILURE

SECRET = "hf_thisisasecrettoken"


def crash(job: Path, failure: str, patch: pytest.MonkeyPatch) -> subprocess.CompletedProcess[str]:
    """Two processes, of which the second fails."""
    patch.setattr(launch, "WORKER", "tests.workers.failing_worker")
    patch.setenv(FAILURE, failure)
    patch.setenv("HF_TOKEN", SECRET)
    command = process_command("--standalone", "--nproc_per_node=2", job=job)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    return done


@pytest.mark.parametrize(
    ("failure", "how", "said"),
    [
        (
            "raise",
            "ended with exit code 1",
            "RuntimeError: no answer from https://[hidden]@host/?token=[hidden]",
        ),
        ("abort", "was killed by SIGABRT", "terminate called in a library"),
        ("kill", "was killed by SIGKILL (often: no memory left)", "it had said nothing"),
    ],
)
def test_the_first_failure_is_told_with_its_last_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, how: str, said: str
) -> None:
    """In a pod's log, too: Kubernetes starts a node anew, and nobody reads its job folder in between."""
    if failure == "abort":
        monkeypatch.setenv("PET_NODE_RANK", "0")
    done = crash(tmp_path, failure, monkeypatch)
    error = crash_error(left_crashes(tmp_path))
    assert error.problem.startswith(f"training process 1 {how}") and said in error.problem
    assert "process 0" not in error.problem, "it was only ended with the other"
    assert "go on from the last checkpoint" in str(error.fix)
    assert SECRET not in error.problem + done.stdout + done.stderr
    assert "process 0 begins" in done.stderr and "Traceback" not in done.stderr
    assert (error.problem in done.stderr) is (failure == "abort")


def test_a_processs_own_error_needs_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash(tmp_path, "error", monkeypatch)
    error = left_error(tmp_path)
    assert error is not None and error.problem == "the loss became nan"


def test_an_agent_that_is_asked_to_stop_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "WORKER", "tests.workers.failing_worker")
    monkeypatch.setenv(FAILURE, "raise")
    command = process_command("--standalone", "--nproc_per_node=1", job=tmp_path)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as agent:
        assert agent.stderr is not None
        assert agent.stderr.readline() == "process 0 begins\n"
        agent.send_signal(signal.SIGTERM)
        assert agent.wait() == STOPPED
    assert left_crashes(tmp_path) == []


def test_a_signal_is_a_likelier_cause_than_a_lost_peer(tmp_path: Path) -> None:
    leave_crashes(tmp_path, 0, [Crash(0, 1, ["Connection closed by peer"]), Crash(2, -15, [])])
    leave_crashes(tmp_path, 1, [Crash(3, -9, ["step 7"])])
    assert str(crash_error(left_crashes(tmp_path))).splitlines()[:3] == [
        "training process 3 was killed by SIGKILL (often: no memory left)",
        "    step 7",
        "  then process 0 ended with exit code 1: Connection closed by peer",
    ]
    clear_crashes(tmp_path)
    assert left_crashes(tmp_path) == []
    assert "none could say why" in crash_error([]).problem


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    assert log.name == "rank-3.log" and last_lines(log) == []
    log.parent.mkdir()
    log.write_bytes(b"\n".join([b"line %d" % number for number in range(99)] + [b"\xff" * 999, b" ", b""]))
    lines = last_lines(log)
    assert len(lines) == 15 and lines[0] == "line 85" and len(lines[-1]) == 400
