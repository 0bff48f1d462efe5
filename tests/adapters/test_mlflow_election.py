"""Which MLflow run a process gets: races, retries and the plugin of Kubeflow Pipelines, on real stores."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_election import ELECTION
from gukbap.adapters.mlflow_tracker import (
    MlflowTracker,
    from_environment,
    open_run,
    parent_from_environment,
)
from gukbap.adapters.null_tracker import NullTracker
from gukbap.errors import ConfigError, StoreError
from gukbap.ports import Tracker

SECRET = "sk-very-secret-value"


def _data(uri: str, tracker: MlflowTracker) -> Any:
    return MlflowClient(tracking_uri=uri).get_run(tracker.run_id).data


def _ids(uri: str, tag: str, value: str) -> list[str]:
    """The runs with a tag that are not deleted."""
    client = MlflowClient(tracking_uri=uri)
    experiments = [found.experiment_id for found in client.search_experiments()]
    return [run.info.run_id for run in client.search_runs(experiments, f'tags.`{tag}` = "{value}"')]


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


@pytest.mark.mlflow
def test_eight_threads_that_ask_at_one_moment_share_one_run_and_one_nested_run(server: str) -> None:
    for _ in range(3):
        run_id = f"run-{uuid.uuid4()}"
        open_run("tests", f"another-{run_id}", "another", server)  # the experiment is there
        together = threading.Barrier(8)

        def opened(number: int, run_id: str = run_id, together: threading.Barrier = together) -> list[str]:
            together.wait(timeout=60)
            parent = open_run("tests", run_id, str(number), server)
            together.wait(timeout=60)
            return [parent.run_id, parent.child("train").run_id]

        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(opened, range(8)))
        parents, children = ({result[place] for result in results} for place in (0, 1))
        assert [list(parents), list(children)] == [
            _ids(server, "kfp.run_id", run_id),
            _ids(server, "mlflow.parentRunId", results[0][0]),
        ]


#: One process that loads mlflow once and becomes eight, which start at one moment.
_EIGHT = """
import multiprocessing, os, mlflow
from gukbap.adapters.mlflow_tracker import from_environment
context = multiprocessing.get_context("fork")
start = context.Barrier(8)
def step():
    start.wait(60)
    os.write(1, (from_environment("judge-tuned-default").run_id + "\\n").encode())
children = [context.Process(target=step) for _ in range(8)]
for child in children:
    child.start()
for child in children:
    child.join()
raise SystemExit(any(child.exitcode for child in children))
"""


@pytest.mark.slow
def test_eight_processes_that_ask_at_one_moment_share_one_run(uri: str) -> None:
    """Nothing is there before: not the experiment, not the parent, not the step's run."""
    run_id = f"run-{uuid.uuid4()}"
    variables = {
        "MLFLOW_TRACKING_URI": uri,
        "GUKBAP_RUN_ID": run_id,
        "MLFLOW_EXPERIMENT_NAME": f"new-{run_id}",
    }
    done = subprocess.run(
        [sys.executable, "-c", _EIGHT], capture_output=True, text=True, env={**os.environ, **variables}
    )
    assert done.returncode == 0, done.stderr
    opened = done.stdout.split()
    assert len(opened) == 8
    (parent,) = _ids(uri, "kfp.run_id", run_id)
    assert _ids(uri, "mlflow.parentRunId", parent) == [opened[0]]
    assert set(opened) == {opened[0]}


def test_a_run_that_appears_later_with_an_older_clock_does_not_take_over(uri: str) -> None:
    run_id = f"run-{uuid.uuid4()}"
    first = open_run("tests", run_id, "a run", uri)
    client = MlflowClient(tracking_uri=uri)
    late = client.create_run(first.experiment_id, start_time=1, tags={"kfp.run_id": run_id})
    assert open_run("tests", run_id, "a run", uri).run_id == first.run_id
    assert client.get_run(late.info.run_id).info.lifecycle_stage == "deleted"
    assert client.get_run(first.run_id).info.lifecycle_stage == "active"


def test_what_a_killed_attempt_left_unsettled_is_settled_by_the_next(uri: str) -> None:
    """Killed after it made a run, and killed after it declared another one surplus."""
    run_id = f"run-{uuid.uuid4()}"
    client = MlflowClient(tracking_uri=uri)
    experiment = open_run("tests", f"another-{run_id}", "another", uri).experiment_id
    made = [
        client.create_run(experiment, start_time=start, tags={"kfp.run_id": run_id}).info.run_id
        for start in (3, 2, 1)
    ]
    client.log_param(made[2], ELECTION, "surplus")
    assert open_run("tests", run_id, "a run", uri).run_id == made[1]
    assert _ids(uri, "kfp.run_id", run_id) == [made[1]]


def test_a_stage_is_nested_once(uri: str, run: MlflowTracker) -> None:
    child = run.child("train")
    assert run.child("train").run_id == child.run_id
    assert run.child("judge").run_id != child.run_id
    assert _data(uri, child).tags["mlflow.parentRunId"] == run.run_id
    other = open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)
    assert other.child("train").run_id != child.run_id


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
    assert isinstance(parent_from_environment(environment={"GUKBAP_RUN_ID": "r"}), NullTracker)


def test_a_run_id_alone_leads_into_that_run(uri: str, run: MlflowTracker) -> None:
    step = from_environment("train", environment={"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": run.run_id})
    assert isinstance(step, MlflowTracker)
    assert step.run_id == run.run_id
    step.finish("FAILED")
    assert MlflowClient(tracking_uri=uri).get_run(run.run_id).info.status == "RUNNING"


def _plugin_run(uri: str, name: str, parent: str | None = None, **tags: str) -> str:
    """A run as Kubeflow Pipelines' MLflow plugin makes it: nested under the task above by one tag."""
    client = MlflowClient(tracking_uri=uri)
    experiment = open_run("tests", "another", "another", uri).experiment_id
    nested = {"mlflow.parentRunId": parent} if parent else {}
    return str(client.create_run(experiment, run_name=name, tags={**nested, **tags}).info.run_id)


def test_the_plugins_runs_are_logged_into_and_never_made_renamed_or_ended(uri: str) -> None:
    """The exit handler's DAG stands as a run of its own between the pipeline and the step."""
    top = _plugin_run(uri, "pipeline", **{"kfp.pipeline_run_id": "kfp-1"})
    handler = _plugin_run(uri, "exit-handler-1", top)
    task = _plugin_run(uri, "train", handler)
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": task, "GUKBAP_RUN_ID": "kfp-1"}
    step = from_environment("train", experiment="other", environment=variables)
    parent = parent_from_environment(experiment="other", name="other", environment=variables)
    assert isinstance(step, MlflowTracker)
    assert isinstance(parent, MlflowTracker)
    assert (step.run_id, parent.run_id) == (task, top)
    step.metrics({"loss": 1.0}, step=1)
    parent.metrics({"overall.tuned.default": 5.0})
    parent.tags({"kfp.run_id": "kfp-1"})
    step.finish("FAILED")
    parent.finish("KILLED")
    client = MlflowClient(tracking_uri=uri)
    for run_id, name in ((top, "pipeline"), (handler, "exit-handler-1"), (task, "train")):
        info = client.get_run(run_id).info
        assert (info.run_name, info.status) == (name, "RUNNING")
    assert client.get_run(task).data.metrics == {"loss": 1.0}
    assert client.get_run(top).data.metrics == {"overall.tuned.default": 5.0}
    assert _ids(uri, "mlflow.parentRunId", top) == [handler]
    assert _ids(uri, "mlflow.parentRunId", handler) == [task]
    assert client.get_experiment_by_name("other") is None


def test_a_run_without_a_parent_is_its_own_parent(uri: str, run: MlflowTracker) -> None:
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": run.run_id}
    parent = parent_from_environment(environment=variables)
    assert isinstance(parent, MlflowTracker)
    assert parent.run_id == run.run_id


def test_a_step_whose_plugin_failed_finds_the_plugins_parent_and_leaves_it_open(uri: str) -> None:
    run_id = f"kfp-{uuid.uuid4()}"
    top = _plugin_run(uri, "pipeline", **{"kfp.pipeline_run_id": run_id, "kfp.run_id": run_id})
    variables = {"MLFLOW_TRACKING_URI": uri, "GUKBAP_RUN_ID": run_id}
    parent = parent_from_environment(experiment="tests", environment=variables)
    assert isinstance(parent, MlflowTracker)
    assert parent.run_id == top
    parent.finish()
    assert MlflowClient(tracking_uri=uri).get_run(top).info.status == "RUNNING"


def test_a_retried_step_opens_its_run_and_its_parent_again(uri: str) -> None:
    run_id = f"kfp-{uuid.uuid4()}"
    variables = {"MLFLOW_TRACKING_URI": uri, "GUKBAP_RUN_ID": run_id}
    client = MlflowClient(tracking_uri=uri)

    def statuses() -> list[str]:
        step = from_environment("judge-base-default", experiment="tests", environment=variables)
        parent = parent_from_environment(experiment="tests", environment=variables)
        assert isinstance(step, MlflowTracker)
        assert isinstance(parent, MlflowTracker)
        found = [client.get_run(tracker.run_id).info.status for tracker in (step, parent)]
        step.finish("FAILED")
        parent.finish("FAILED")
        ended = [client.get_run(tracker.run_id).info.status for tracker in (step, parent)]
        assert ended == ["FAILED", "FAILED"]
        return [*found, step.run_id, parent.run_id]

    first = statuses()
    assert first[:2] == ["RUNNING", "RUNNING"]
    assert statuses() == first
    assert len(_ids(uri, "kfp.run_id", run_id)) == 1


@pytest.mark.parametrize(
    ("status", "left"), [("FINISHED", "KILLED"), ("FAILED", "FAILED"), ("KILLED", "KILLED")]
)
def test_the_end_of_a_run_ends_what_killed_pods_left_open(
    uri: str, run: MlflowTracker, status: Any, left: str
) -> None:
    killed, done = run.child("train"), run.child("split")
    done.finish()
    other = open_run("tests", f"run-{uuid.uuid4()}", "another", uri).child("train")
    run.finish(status)
    client = MlflowClient(tracking_uri=uri)
    runs = [client.get_run(tracker.run_id).info for tracker in (run, killed, done, other)]
    assert [info.status for info in runs] == [status, left, "FINISHED", "RUNNING"]
    assert all(info.end_time for info in runs[:3])


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
    assert _data(uri, parent).tags["kfp.run_id"] == run_id


@pytest.mark.parametrize(
    "variables", [{"MLFLOW_RUN_ID": "x"}, {"MLFLOW_TRACKING_URI": "sqlite:////nowhere/x.db"}]
)
def test_half_of_the_variables_is_a_config_error(variables: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        from_environment("train", environment=variables)
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        parent_from_environment(environment=variables)


def test_a_run_that_is_not_there_is_one_clear_error(uri: str) -> None:
    variables = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_RUN_ID": "0" * 32}
    with pytest.raises(StoreError, match="refuses") as caught:
        from_environment("train", environment=variables)
    assert "MLFLOW_RUN_ID" in (caught.value.fix or "")
    with pytest.raises(StoreError, match="refuses"):
        parent_from_environment(environment=variables)
