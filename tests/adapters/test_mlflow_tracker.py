"""The MLflow tracker against a real server and a real SQLite file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow import MlflowClient

from gukbap import __version__
from gukbap.adapters.mlflow_election import ELECTION
from gukbap.adapters.mlflow_tracker import (
    MlflowTracker,
    open_run,
    parent_tags,
)
from gukbap.errors import InputError, StoreError
from gukbap.recipes import load_recipe
from tests.servers import free_ports

SECRET = "sk-very-secret-value"


def _data(uri: str, tracker: MlflowTracker) -> Any:
    return MlflowClient(tracking_uri=uri).get_run(tracker.run_id).data


def _logged_params(data: Any) -> dict[str, str]:
    return {key: value for key, value in data.params.items() if key != ELECTION}


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
    assert _logged_params(data) == {"seed": "1", "name": "x", "new": "3"}
    assert data.tags["changed.seed"] == "2"
    assert "changed.name" not in data.tags


def test_more_params_than_one_request_holds(uri: str, run: MlflowTracker) -> None:
    run.params({f"p{number}": number for number in range(250)})
    assert len(_logged_params(_data(uri, run))) == 250


@pytest.mark.mlflow
def test_attempts_that_log_the_same_params_at_one_moment_do_not_fail(server: str) -> None:
    run_id = f"run-{uuid.uuid4()}"
    params = {f"p{number}": number for number in range(150)}
    trackers = [open_run("tests", run_id, "a run", server) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda tracker: tracker.params(params), trackers))
    assert len(_logged_params(_data(server, trackers[0]))) == 150


def test_metrics_keep_steps_and_korean_names(uri: str, run: MlflowTracker) -> None:
    run.metrics({"loss": 2.0, "추론(Reasoning)": 4.43, "a//b?": 1}, step=1)
    run.metrics({"loss": 1.0, "nan": float("nan")}, step=2)
    run.metrics({})
    client = MlflowClient(tracking_uri=uri)
    history = client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]
    assert _data(uri, run).metrics == {"loss": 1.0, "추론_Reasoning": 4.43, "a/b": 1.0}


def test_a_resume_does_not_repeat_the_points_of_a_series(uri: str, run: MlflowTracker) -> None:
    def log(tracker: MlflowTracker, last: float) -> None:
        tracker.metrics({"loss": 2.0, "other": 1.0}, step=1)
        tracker.metrics({"loss": last}, step=2)
        tracker.metrics({"rows": 7})

    log(run, 1.5)
    log(run, 1.5)
    run.finish("FAILED")
    parent = run.client.get_run(run.run_id).data.tags["kfp.run_id"]
    again = open_run("tests", parent, "a run", uri)
    assert again.run_id == run.run_id
    log(again, 1.25)
    again.metrics({"loss": 1.0}, step=3)
    history = MlflowClient(tracking_uri=uri).get_metric_history(run.run_id, "loss")
    points = [(point.step, point.value) for point in history]
    assert sorted(points) == [(1, 2.0), (2, 1.25), (2, 1.5), (3, 1.0)]
    for series in ("other", "rows"):
        assert len(MlflowClient(tracking_uri=uri).get_metric_history(run.run_id, series)) == 1


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


def test_secrets_of_the_tracking_server_stay_out(
    uri: str, run: MlflowTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "MLFLOW_TRACKING_PASSWORD": "pass-word-1234",
        "MLFLOW_TRACKING_TOKEN": "bearer-token-1234",
        "KFP_MLFLOW_CREDENTIAL": "credential-1234",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    urls = {
        "user": "https://user:user-pass@tracking/api",
        "token": "https://token-alone@tracking/api",
        "query": "https://host/v1?page=2&access_token=in-a-query&api_key=key-in-query#part",
        "signed": "https://host/o?X-Amz-Signature=abcdef0123&X-Amz-Date=20261101&sig=shared-access",
        "header": f"Authorization: Bearer {secrets['MLFLOW_TRACKING_TOKEN']}",
        "basic": f"me:{secrets['MLFLOW_TRACKING_PASSWORD']} {secrets['KFP_MLFLOW_CREDENTIAL']}",
    }
    run.tags({f"seen.{name}": text for name, text in urls.items()})
    run.params(urls)
    data = _data(uri, run)
    kept = str(_logged_params(data)) + str(data.tags)
    for secret in (
        *secrets.values(),
        *("user-pass", "token-alone", "in-a-query", "key-in-query", "abcdef0123", "shared-access"),
    ):
        assert secret not in kept
    assert data.params["query"] == "https://host/v1?page=2&access_token=[hidden]&api_key=[hidden]#part"
    assert "X-Amz-Date=20261101" in data.tags["seen.signed"]


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


def test_the_parents_tags_say_what_the_run_is_made_of() -> None:
    recipe = load_recipe("smoke", ("cluster.ui_url=https://kfp.example/pipeline/",))
    digest = "sha256:" + "a" * 64
    tags = parent_tags(
        recipe,
        "run-1",
        {"cpu": "r/cpu:1", "train": f"r/train:1@{digest}", "infer": "r/vllm:1", "infer.digest": "sha256:b"},
        dataset_sha256="c" * 64,
    )
    assert tags == {
        "kfp.run_id": "run-1",
        "kfp.run_url": "https://kfp.example/pipeline/#/runs/details/run-1",
        "gukbap.recipe": "smoke",
        "gukbap.recipe_hash": recipe.hash,
        "gukbap.version": __version__,
        "gukbap.scripted": "true",
        "gukbap.dataset_sha256": "c" * 64,
        "image.cpu": "r/cpu:1",
        "image.train": f"r/train:1@{digest}",
        "image.train.digest": digest,
        "image.infer": "r/vllm:1",
        "image.infer.digest": "sha256:b",
    }
    assert {"kfp.run_url", "gukbap.dataset_sha256"}.isdisjoint(parent_tags(load_recipe("smoke"), "r", {}))


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
