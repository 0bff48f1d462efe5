"""The whole DAG on the smoke recipe. Its teacher is scripted and its student random: what is tested
is the pipeline, and none of its numbers is a result."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from gukbap.adapters.stores import open_store
from gukbap.config import StoreConfig
from tests.command import gukbap
from tests.servers import mlflow_server, seaweed_s3

RESULTS = (
    "dataset/generated.jsonl",
    "dataset/dropped.jsonl",
    "dataset/clean.jsonl",
    "dataset/decontamination.json",
    "dataset/deduplicated.jsonl",
    "dataset/train.jsonl",
    "dataset/validation.jsonl",
    "scores.json",
    *(
        f"{kind}/{subject}-{strategy}.jsonl"
        for kind in ("answers", "judgements")
        for subject in ("base", "tuned")
        for strategy in ("default", "1-shot", "cot-1-shot")
    ),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished in-process run called `first`."""
    folder = tmp_path_factory.mktemp("runs")
    done = gukbap("run", "smoke", "--run-id", "first", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "scripted" in done.stdout.lower()
    return folder


def contents(run: Path) -> dict[str, bytes]:
    return {name: (run / name).read_bytes() for name in RESULTS}


#: MLflow takes seconds in each process of a step; a test of its own tracks.
UNTRACKED = ("--set", "tracking.enabled=false")
#: One strategy and subject: a process for each of ten steps, not of sixteen.
FEWER_STEPS = (*UNTRACKED, "--set", "infer.strategies=[default]", "--set", "infer.subjects=[tuned]")


def test_a_run_leaves_everything_it_promises(finished: Path) -> None:
    run = finished / "runs" / "first"
    assert all(contents(run).values())
    kept, excluded = ((run / f"dataset/{name}.jsonl").read_bytes() for name in ("clean", "excluded"))
    generated = (run / "dataset/generated.jsonl").read_bytes()
    assert kept.count(b"\n") + excluded.count(b"\n") == generated.count(b"\n")
    for name in (
        "report.html",
        "report.md",
        "model_card.md",
        "dataset/README.md",
        "model/model.safetensors",
        "run.json",
    ):
        assert (run / name).stat().st_size > 0
    assert "scripted" in (run / "report.html").read_text(encoding="utf-8").lower()
    scores = json.loads((run / "scores.json").read_text(encoding="utf-8"))
    assert scores["scripted"] is True


def test_mlflow_holds_a_parent_and_a_nested_run_for_every_step(finished: Path) -> None:
    database = sqlite3.connect(finished / "runs" / "mlflow.sqlite3")
    try:
        [(parent, status)] = database.execute(
            "select r.run_uuid, r.status from runs r join tags t on t.run_uuid = r.run_uuid "
            "where t.key = 'kfp.run_id' and t.value = 'first' and r.run_uuid not in "
            "(select run_uuid from tags where key = 'mlflow.parentRunId')"
        ).fetchall()
        nested = database.execute(
            "select r.status from runs r join tags t on t.run_uuid = r.run_uuid "
            "where t.key = 'mlflow.parentRunId' and t.value = ?",
            (parent,),
        ).fetchall()
        [(metrics,)] = database.execute(
            "select count(*) from latest_metrics where run_uuid = ?", (parent,)
        ).fetchall()
    finally:
        database.close()
    assert status == "FINISHED"
    assert nested == [("FINISHED",)] * (5 + 8 + 2)
    assert metrics > 20


@pytest.mark.slow
def test_both_runners_give_the_same_files(finished: Path) -> None:
    command = ("run", "smoke", "--runner", "subprocess", "--run-id", "second", *UNTRACKED)
    done = gukbap(*command, cwd=finished)
    assert done.returncode == 0, done.stderr
    first, second = (contents(finished / "runs" / name) for name in ("first", "second"))
    assert [name for name in RESULTS if first[name] != second[name] and name != "scores.json"] == []
    tables = [json.loads(files["scores.json"]) for files in (first, second)]
    for table in tables:
        del table["recipe"]["hash"]  # the second is not tracked, which is another recipe
    assert tables[0] == tables[1]


def test_a_taken_run_id_is_refused_and_the_run_stays_as_it_was(finished: Path) -> None:
    before = contents(finished / "runs" / "first")
    refused = gukbap("run", "smoke", "--run-id", "first", cwd=finished)
    assert refused.returncode == 2
    assert "the run id 'first' is taken" in refused.stderr
    assert "--resume first" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert contents(finished / "runs" / "first") == before


def test_resuming_a_finished_run_does_no_step_again(finished: Path) -> None:
    run = finished / "runs" / "first"
    before = {path: path.stat().st_mtime_ns for path in run.glob("[a-v]*/*")}
    done = gukbap("run", "--resume", "first", "--json", cwd=finished)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("done before") == 5 + 8
    assert json.loads(done.stdout)["run"] == "first"
    after = {path: path.stat().st_mtime_ns for path in run.glob("[a-v]*/*")}
    # The steps that act on the run itself are taken again; no other file is touched (the report step
    # writes the data set's card, too).
    again = {path.relative_to(run).parts[1] for path in before if after[path] != before[path]}
    assert again <= {"prepare", "report", "promote", "finish", "README.md"}


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["inprocess", "subprocess"])
def test_a_killed_run_goes_on_to_the_same_files(finished: Path, tmp_path: Path, runner: str) -> None:
    """Kill −9 the whole process group in the middle, resume, and compare with the run never killed."""
    command = ["run", "smoke", "--runner", runner, "--run-id", "killed", *FEWER_STEPS]
    process = subprocess.Popen(
        [sys.executable, "-m", "gukbap", *command],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    run = tmp_path / "runs" / "killed"
    deadline = time.monotonic() + 300
    while process.poll() is None and not list(run.glob("work/train-*/checkpoints/*")):
        assert time.monotonic() < deadline, "training never began"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (run / "scores.json").exists()
    done = gukbap("run", "--resume", "killed", "--runner", runner, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    whole = finished / "runs" / "first"
    made = [name for name in RESULTS if (run / name).exists() and name != "scores.json"]
    assert {"dataset/train.jsonl", "answers/tuned-default.jsonl", "judgements/tuned-default.jsonl"} <= set(
        made
    )
    assert [name for name in made if (run / name).read_bytes() != (whole / name).read_bytes()] == []


def test_an_interrupted_run_ends_cleanly_and_says_how_to_go_on(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "gukbap", "run", "smoke", "--run-id", "stopped"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "] train" in line:
            process.send_signal(signal.SIGINT)
            break
    _, rest = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "go on with: gukbap run --resume stopped" in rest
    assert "Traceback" not in rest


@pytest.mark.slow
def test_a_failing_step_tells_the_same_words_from_its_own_process(tmp_path: Path) -> None:
    """The judge's server is not there: found out in a step, said once, and nothing made is lost."""
    for runner in ("inprocess", "subprocess"):
        failed = gukbap(
            "run", "smoke", "--runner", runner, "--run-id", runner,
            "--set", "judge.endpoint.model=nobody",
            "--set", "judge.endpoint.base_url=http://127.0.0.1:9/v1",
            "--set", "judge.endpoint.max_retries=0", *FEWER_STEPS,
            cwd=tmp_path,
        )  # fmt: skip
        assert failed.returncode == 1, failed.stderr
        assert "127.0.0.1:9" in failed.stderr
        assert failed.stderr.count("error: ") == 1
        assert "Traceback" not in failed.stderr
        # kfp.local has its own order of steps; whose answers were judged first is kept.
        kept = list((tmp_path / "runs" / runner / "answers").glob("*.jsonl"))
        assert kept
        assert all(path.stat().st_size > 0 for path in kept)


@pytest.mark.slow
@pytest.mark.s3
@pytest.mark.mlflow
def test_artifacts_go_to_a_real_s3_server_and_metrics_to_a_real_mlflow_server(tmp_path: Path) -> None:
    with seaweed_s3() as s3, mlflow_server() as tracking:
        done = gukbap(
            "run", "smoke", "--run-id", "stored",
            "--set", "store.url=s3://gukbap/runs",
            "--set", f"store.endpoint_url={s3.endpoint}",
            "--set", "infer.strategies=[default]",
            cwd=tmp_path,
            MINIO_ACCESS_KEY=s3.access_key,
            MINIO_SECRET_KEY=s3.secret_key,
            MLFLOW_TRACKING_URI=tracking,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        config = StoreConfig(url="s3://gukbap/runs", endpoint_url=s3.endpoint)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MINIO_ACCESS_KEY", s3.access_key)
            patch.setenv("MINIO_SECRET_KEY", s3.secret_key)
            store = open_store(config)
            assert store is not None
            stored = store.list("stored/")
            store.get_file("stored/scores.json", tmp_path / "scores.json")
        client = MlflowClient(tracking)
        [experiment] = client.search_experiments(filter_string="name = 'gukbap'")
        runs = client.search_runs([experiment.experiment_id])
        params = "".join(str(run.data.params) + str(run.data.tags) for run in runs)
    run = tmp_path / "runs" / "stored"
    assert {"stored/model/model.safetensors", "stored/dataset/train.jsonl", "stored/report.html"} <= set(
        stored
    )
    assert (tmp_path / "scores.json").read_bytes() == (run / "scores.json").read_bytes()
    assert len(runs) == 1 + 5 + 4 + 2
    texts = [path.read_bytes() for path in run.rglob("*") if path.is_file()]
    for secret in (s3.access_key, s3.secret_key):
        assert secret not in params + done.stderr + done.stdout
        assert not any(secret.encode() in text for text in texts)
