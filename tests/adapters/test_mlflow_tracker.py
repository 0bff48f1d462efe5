"""The MLflow tracker against a real server and a real SQLite file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_tracker import MlflowTracker, from_environment, open_run
from gukbap.adapters.null_tracker import NullTracker
from gukbap.errors import ConfigError, InputError, StoreError
from gukbap.ports import Tracker
from tests.servers import free_ports, mlflow_server

SECRET = "sk-very-secret-value"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with mlflow_server() as uri:
        yield uri


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'new' / 'mlflow.db'}"


@pytest.fixture(params=["sqlite", pytest.param("server", marks=pytest.mark.mlflow)])
def uri(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def run(uri: str) -> MlflowTracker:
    return open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)


def _data(uri: str, tracker: MlflowTracker) -> Any:
    return MlflowClient(tracking_uri=uri).get_run(tracker.run_id).data


def test_a_run_is_found_again_and_never_made_twice(uri: str) -> None:
    run_id = f'it\'s "quoted" {uuid.uuid4()}'
    first = open_run("tests", run_id, "a run", uri)
    first.finish("FAILED")
    again = open_run("tests", run_id, "a run", uri)
    client = MlflowClient(tracking_uri=uri)
    assert again.run_id == first.run_id
    assert client.get_run(first.run_id).info.status == "RUNNING"
    again.finish()
    assert client.get_run(first.run_id).info.status == "FINISHED"
    assert open_run("tests", f"other-{uuid.uuid4()}", "another", uri).run_id != first.run_id


def test_processes_that_share_a_new_sqlite_file_share_one_run(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'new' / 'mlflow.db'}"
    code = (
        "import sys; from gukbap.adapters.mlflow_tracker import open_run\n"
        "print(open_run('tests', 'one', 'one', sys.argv[1]).run_id)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, uri], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    opened = [child.communicate()[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert len(set(opened)) == 1
    assert len(opened[0]) == 32


def test_a_stage_is_nested_once(uri: str, run: MlflowTracker) -> None:
    child = run.child("train")
    assert run.child("train").run_id == child.run_id
    assert run.child("judge").run_id != child.run_id
    assert _data(uri, child).tags["mlflow.parentRunId"] == run.run_id
    other = open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)
    assert other.child("train").run_id != child.run_id


def test_params_are_flat_cut_and_hidden(
    uri: str, run: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEACHER_API_KEY", SECRET)
    run.params(
        {
            "train": {"learning_rate": 4e-6, "freeze": True, "note": None},
            "stop": ["[INST]", "끝"],
            "long": "가" * 7000,
            "empty": {},
            "teacher": {
                "api_key_env": "TEACHER_API_KEY",
                "api_key": "direct-key-value",
                "url": "https://me:pw-in-url@host/v1",
            },
            "copied": f"Bearer {SECRET}",
            "list": [{"password": "in-a-list"}, "https://a/x", "b@c"],
            "evolve_max_tokens": 96,
        }
    )
    params = _data(uri, run).params
    assert params["train.learning_rate"] == "4e-06"
    assert params["train.freeze"] == "true"
    assert params["train.note"] == "null"
    assert params["stop"] == '["[INST]","끝"]'
    assert params["long"] == "가" * 6000
    assert params["empty"] == "{}"
    assert params["teacher.api_key_env"] == "TEACHER_API_KEY"
    assert params["evolve_max_tokens"] == "96"
    assert params["teacher.api_key"] == "[hidden]"
    assert params["teacher.url"] == "https://[hidden]@host/v1"
    assert json.loads(params["list"]) == [{"password": "[hidden]"}, "https://a/x", "b@c"]
    for secret in (SECRET, "direct-key-value", "pw-in-url", "in-a-list"):
        assert secret not in str(params)


def test_a_resume_may_repeat_and_change_params(uri: str, run: MlflowTracker) -> None:
    run.params({"seed": 1, "name": "x"})
    run.params({"seed": 2, "name": "x", "new": 3})
    data = _data(uri, run)
    assert data.params == {"seed": "1", "name": "x", "new": "3"}
    assert data.tags["changed.seed"] == "2"
    assert "changed.name" not in data.tags


def test_more_params_than_one_request_holds(uri: str, run: MlflowTracker) -> None:
    run.params({f"p{number}": number for number in range(250)})
    assert len(_data(uri, run).params) == 250


def test_metrics_keep_steps_and_korean_names(uri: str, run: MlflowTracker) -> None:
    run.metrics({"loss": 2.0, "추론(Reasoning)": 4.43, "a//b?": 1}, step=1)
    run.metrics({"loss": 1.0, "nan": float("nan")}, step=2)
    run.metrics({})
    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]
    assert _data(uri, run).metrics == {"loss": 1.0, "추론_Reasoning": 4.43, "a/b": 1.0}


def test_a_table_is_replaced_and_shown_once(
    uri: str, run: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGE_TOKEN", SECRET)
    run.table("scores", [{"strategy": "default", "추론": 4.0}])
    run.table("scores", [{"strategy": "1-shot", "추론": 5.5}, {"strategy": SECRET, "추론": None}])
    run.table("empty", [])
    client = MlflowClient(tracking_uri=uri)
    table = json.loads(
        Path(client.download_artifacts(run.run_id, "tables/scores.json", str(tmp_path))).read_text()
    )
    assert table == {"columns": ["strategy", "추론"], "data": [["1-shot", 5.5], ["[hidden]", None]]}
    assert [entry["path"] for entry in json.loads(_data(uri, run).tags["mlflow.loggedArtifacts"])] == [
        "tables/scores.json",
        "tables/empty.json",
    ]


def test_a_file_is_kept_outside_the_working_directory(
    uri: str, run: MlflowTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    (tmp_path / "보고서.md").write_text("국밥")
    run.file(tmp_path / "보고서.md")
    client = MlflowClient(tracking_uri=uri)
    got = Path(client.download_artifacts(run.run_id, "보고서.md", str(tmp_path / "work")))
    assert got.read_text() == "국밥"
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["보고서.md"]
    with pytest.raises(InputError, match="nowhere"):
        run.file(tmp_path / "nowhere")


def test_tags_hide_secrets(uri: str, run: MlflowTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIO_SECRET_KEY", SECRET)
    run.tags({"gukbap.version": "0.1.0", "where": f"x {SECRET}", "session_token": "short"})
    tags = _data(uri, run).tags
    assert tags["gukbap.version"] == "0.1.0"
    assert tags["where"] == "x [hidden]"
    assert tags["session_token"] == "[hidden]"


def test_no_run_is_active_and_nothing_is_printed(
    uri: str, run: MlflowTracker, capfd: pytest.CaptureFixture[str]
) -> None:
    run.metrics({"x": 1.0})
    run.child("train").finish()
    run.finish()
    assert mlflow.active_run() is None
    assert capfd.readouterr().out == ""


def test_a_deleted_experiment_is_explained(uri: str) -> None:
    name = f"deleted-{uuid.uuid4()}"
    first = open_run(name, "r", "r", uri)
    MlflowClient(tracking_uri=uri).delete_experiment(first.experiment_id)
    with pytest.raises(StoreError, match="is deleted"):
        open_run(name, "r", "r", uri)


def test_without_variables_nothing_is_tracked(tmp_path: Path) -> None:
    tracker: Tracker = from_environment("train", environment={})
    assert isinstance(tracker, NullTracker)
    tracker.params({"a": 1})
    tracker.metrics({"a": 1.0}, step=1)
    tracker.tags({"a": "b"})
    tracker.table("a", [{"b": 1}])
    tracker.file(tmp_path / "nowhere")
    assert tracker.child("x") is tracker
    tracker.finish()


def test_a_run_id_alone_leads_into_that_run(uri: str, run: MlflowTracker) -> None:
    step = from_environment("train", environment={"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": run.run_id})
    assert isinstance(step, MlflowTracker)
    assert step.run_id == run.run_id
    step.finish("FAILED")
    assert MlflowClient(tracking_uri=uri).get_run(run.run_id).info.status == "RUNNING"


def test_a_uri_alone_leads_under_the_run_of_the_pipeline(uri: str) -> None:
    run_id = f"pipeline-{uuid.uuid4()}"
    variables = {"MLFLOW_TRACKING_URI": uri, "GUKBAP_RUN_ID": run_id}
    step = from_environment("train", experiment="tests", environment=variables)
    retry = from_environment("train", experiment="tests", environment=variables)
    parent = from_environment(experiment="tests", environment=variables)
    assert isinstance(step, MlflowTracker)
    assert isinstance(retry, MlflowTracker)
    assert isinstance(parent, MlflowTracker)
    assert step.run_id == retry.run_id
    assert _data(uri, step).tags["mlflow.parentRunId"] == parent.run_id
    assert _data(uri, parent).tags["gukbap.run_id"] == run_id


@pytest.mark.parametrize(
    "variables", [{"MLFLOW_RUN_ID": "x"}, {"MLFLOW_TRACKING_URI": "sqlite:////nowhere/x.db"}]
)
def test_half_of_the_variables_is_a_config_error(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        from_environment("train", environment=variables)


def test_a_run_that_is_not_there_is_one_clear_error(uri: str) -> None:
    with pytest.raises(StoreError, match="refuses"):
        from_environment("train", environment={"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": "0" * 32})


def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    (port,) = free_ports(1)
    with pytest.raises(StoreError) as caught:
        open_run("tests", "r", "r", f"http://me:{SECRET}@127.0.0.1:{port}")
    shown = "".join(traceback.format_exception(caught.value))
    assert f"127.0.0.1:{port} does not answer" in shown
    assert SECRET not in shown


def test_a_sqlite_file_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreError, match="MLflow"):
        open_run("tests", "r", "r", f"sqlite:///{tmp_path / 'file' / 'x' / 'mlflow.db'}")


def test_mlflow_that_is_not_installed_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    for uri in (f"sqlite:///{tmp_path / 'mlflow.db'}", "http://127.0.0.1:1"):
        with pytest.raises(StoreError, match="not installed"):
            open_run("tests", "r", "r", uri)


def test_importing_the_tracker_does_not_import_mlflow() -> None:
    program = "import sys, gukbap.adapters.mlflow_tracker; print('mlflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout == "False\n"
