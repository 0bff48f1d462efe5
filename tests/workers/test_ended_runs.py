from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gukbap.adapters.kfp import apply, connect, submit
from gukbap.adapters.mlflow_tracker import open_run, parent_from_environment
from gukbap.handover import POD_NAME, RUN_ID, SHARED_DIR, TRACKING_URI, WORK_DIR
from gukbap.recipes import load_recipe
from gukbap.workers.context import tracked
from gukbap.workers.ended_runs import close_ended_runs
from gukbap.workers.prepare import run_prepare
from tests.adapters.kfp_helpers import package, recipe
from tests.kfp_server import kfp_server
from tests.tracking_files import tracking_file


def status(uri: str, run_id: str) -> str:
    return str(MlflowClient(uri).get_run(run_id).info.status)


def test_runs_that_ended_without_an_exit_step_are_closed_with_their_own_status(tmp_path: Path) -> None:
    uri = tracking_file(tmp_path / "mlflow.sqlite3")
    with kfp_server() as server:
        connection = connect(server.url)
        apply(connection, recipe(), package(tmp_path), {})
        runs = [submit(connection, "smoke", {}, experiment="gukbap").id for _ in range(4)]
        tracked_runs = {run: open_run("gukbap", run, run, uri) for run in runs}
        local = open_run("gukbap", "a-run-of-one-machine", "local", uri)
        child = tracked_runs[runs[0]].child("train")
        for run, state in zip(runs, ("CANCELED", "FAILED", "SUCCEEDED"), strict=False):
            server.end_run(run, state)
        closed = close_ended_runs(connection, "gukbap", uri)
        assert closed == dict(zip(runs, ("KILLED", "FAILED", "FINISHED"), strict=False))
        assert {status(uri, t.run_id) for t in (tracked_runs[runs[3]], local)} == {"RUNNING"}
        assert status(uri, child.run_id) == "KILLED"
        assert close_ended_runs(connection, "gukbap", uri) == {}


def test_the_next_run_closes_what_an_ended_one_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = tracking_file(tmp_path / "mlflow.sqlite3")
    with kfp_server() as server:
        connection = connect(server.url)
        apply(connection, recipe(), package(tmp_path), {})
        ended, current = (submit(connection, "smoke", {}, experiment="gukbap").id for _ in range(2))
        left = open_run("gukbap", ended, ended, uri)
        server.end_run(ended, "CANCELED")
        values = {
            TRACKING_URI: uri, RUN_ID: current, POD_NAME: "prepare-pod",
            SHARED_DIR: str(tmp_path / "claim"), "KF_PIPELINES_ENDPOINT": server.url,
        }  # fmt: skip
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv(WORK_DIR, raising=False)
        run_prepare(load_recipe("smoke"), form={}, freshness="reuse", images={}, summary=tmp_path / "plan.md")
        assert status(uri, left.run_id) == "KILLED"
        parent = parent_from_environment(experiment="gukbap")
        assert parent.run_id is not None
        assert status(uri, parent.run_id) == "RUNNING"


def test_a_step_that_is_told_to_end_closes_its_run_and_the_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = tracking_file(tmp_path / "mlflow.sqlite3")
    monkeypatch.setenv(TRACKING_URI, uri)
    monkeypatch.setenv(RUN_ID, "run-1")
    settings = load_recipe("smoke").split_settings()
    with pytest.raises(KeyboardInterrupt), tracked("split", settings):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
    client = MlflowClient(uri)
    [experiment] = client.search_experiments(filter_string="name = 'gukbap'")
    ended = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in ended] == ["KILLED", "KILLED"]
    # A retry opens both again.
    with tracked("split", settings):
        again = client.search_runs([experiment.experiment_id])
        assert [run.info.status for run in again] == ["RUNNING", "RUNNING"]
    assert len(client.search_runs([experiment.experiment_id])) == 2
