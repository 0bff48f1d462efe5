"""The train step on a TrainJob against a contract server; the nodes' part is played by the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.kubernetes_errors import ClusterUnreachableError, MissingRightError
from gukbap.errors import ConfigError, GukbapError, StageFailedError
from gukbap.files import read_json, read_jsonl, write_json
from gukbap.schemas import Row
from gukbap.stages.train.launch import leave_job_error
from tests.kubernetes_server import USER, ContractCluster, contract_cluster
from tests.stages.train.examples import rows, settings
from tests.workers.train_jobs import RUN, Step, condition, leave_result, on_cluster


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Step]:
    with contract_cluster() as server:
        yield on_cluster(monkeypatch, server, tmp_path)


def node_pod(server: ContractCluster, train_job: dict[str, Any], index: int, **status: Any) -> str:
    """A training node's pod, as Trainer's runtime and the manifest's patch make it."""
    name = f"{train_job['metadata']['name']}-node-0-{index}-abcde"
    (patch,) = train_job["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    labels = job["template"]["spec"]["template"]["metadata"]["labels"]
    server.add(
        "pods",
        name,
        labels={**labels, "batch.kubernetes.io/job-completion-index": str(index)},
        spec={"containers": [{"name": "node", "image": "registry/gukbap-train:0.1.0"}]},
        status={"phase": "Running", **status},
    )
    return name


def ended(exit_code: int, reason: str) -> list[dict[str, Any]]:
    """The container statuses of a node that has ended."""
    state = {"terminated": {"exitCode": exit_code, "reason": reason}}
    common = {"name": "node", "image": "x", "imageID": "", "ready": False, "restartCount": 0}
    return [{**common, "state": state}]


def finishing(step: Step) -> None:
    """Let the nodes finish at the second look."""

    def controller(train_job: dict[str, Any]) -> None:
        if step.server.counted("get trainjobs") > 1:
            leave_result(step.job_folder())
            condition(train_job, "Complete")

    step.server.on_read = controller


def test_the_job_is_made_followed_and_removed(step: Step, capsys: pytest.CaptureFixture[str]) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        looks = step.server.counted("get trainjobs")
        if looks == 2:
            first = node_pod(step.server, train_job, 0)
            step.server.logs[first] = [
                "2026-01-01T00:00:01Z · train (steps): 1/4",
                "2026-01-01T00:00:02Z noise",
            ]
        if looks == 3:
            step.server.logs[step.server.names("pods")[0]] += ["2026-01-01T00:00:03Z · train (steps): 2/4"]
        if looks == 4:
            leave_result(step.job_folder())

    step.server.on_read = controller
    outcome = step.run()
    assert outcome.metrics == {"steps": 4, "validation_loss": 0.5}
    assert read_json(step.statistics) == {"steps": 4, "validation_loss": 0.5}
    assert (step.model / "config.json").read_text() == "{}"
    assert step.server.counted("create trainjobs") == 1
    assert step.server.names("trainjobs") == []
    said = capsys.readouterr().err
    assert said.count("train (steps): 1/4") == said.count("train (steps): 2/4") == 1
    assert "1 of 2 training node(s) run" in said and "noise" not in said


def test_the_job_folder_holds_what_the_nodes_need(step: Step) -> None:
    finishing(step)
    step.run(settings(processes=4), nodes=2)
    job = step.job_folder()
    assert read_jsonl(job / "rows.jsonl", Row) == rows(12)
    assert read_jsonl(job / "validation.jsonl", Row) == rows(3)
    values = read_json(job / "job.json")
    # The processes of both nodes together: step sizes and checkpoints count them.
    assert '"processes":8' in values["settings"]
    assert values["model"] is None, "the first node fetches it"
    assert Path(values["output"]) == job.parent / "model"


def test_a_second_attempt_follows_the_first_ones_job(step: Step) -> None:
    step.server.on_read = lambda _: step.server.forbidden.add("list pods")
    with pytest.raises(MissingRightError, match=f"{USER} may not list pods"):
        step.run()
    (name,) = step.server.names("trainjobs")
    step.server.forbidden.clear()
    step.server.requests.clear()
    # What a node has read or written by now must stay as it is.
    write_json(step.job_folder() / "job.json", {**read_json(step.job_folder() / "job.json"), "model": "/m"})
    finishing(step)
    step.run()
    assert step.server.counted("create trainjobs") == 0
    assert read_json(step.job_folder() / "job.json")["model"] == "/m"
    assert step.server.policies == {f"trainjobs/{name}": "Foreground"}


def test_a_result_whose_upload_failed_is_not_trained_again(step: Step) -> None:
    finishing(step)
    step.run()
    step.server.requests.clear()
    assert step.run().metrics["steps"] == 4
    assert step.server.counted("create trainjobs") == 0


def test_another_run_has_a_job_of_its_own(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    names = []
    for run in (RUN, "another"):
        monkeypatch.setenv("GUKBAP_RUN_ID", run)
        step.server.on_read = lambda _: step.server.forbidden.add("list pods")
        with pytest.raises(MissingRightError):
            step.run()
        step.server.forbidden.clear()
        names = step.server.names("trainjobs")
    assert len(set(names)) == 2 and all(len(name) <= 45 for name in names)


def test_a_failed_job_tells_why_and_is_made_anew(step: Step) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        failed = node_pod(
            step.server, train_job, 1, phase="Failed", containerStatuses=ended(137, "OOMKilled")
        )
        step.server.logs[failed] = ["2026-01-01T00:00:01Z loading shards"]
        condition(train_job, "Failed", "FailedJobs", "jobset failed due to one or more job failures")

    step.server.on_read = controller
    with pytest.raises(GukbapError) as raised:
        step.run()
    words = str(raised.value)
    assert "FailedJobs (jobset failed due to one or more job failures)" in words
    assert "node-0-1-abcde: OOMKilled (exit code 137)" in words
    assert "loading shards" in words and "raise cluster.train.memory" in words
    assert len(step.server.names("trainjobs")) == 1, "its pods can be looked at"

    # Its pods take a while to go; the name is not taken before.
    step.server.slow_removals = 3
    step.server.on_read = None
    seen: list[int] = []

    def later(train_job: dict[str, Any]) -> None:
        seen.append(step.server.slow_removals)
        if step.server.counted("create trainjobs") == 2:
            leave_result(step.job_folder())
        else:
            condition(train_job, "Failed", "FailedJobs", "")

    step.server.on_read = later
    step.run()
    assert step.server.counted("create trainjobs") == 2 and seen[-1] == 0


def test_a_processs_error_arrives_in_its_own_words_and_ends_the_job(step: Step) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        leave_job_error(
            step.job_folder(), ConfigError("max_length is 9", expected="at most 8", fix="lower it")
        )

    step.server.on_read = controller
    with pytest.raises(StageFailedError) as raised:
        step.run()
    assert (raised.value.problem, raised.value.expected, raised.value.fix) == (
        "max_length is 9",
        "at most 8",
        "lower it",
    )
    assert raised.value.exit_code == 2
    assert step.server.names("trainjobs") == []
    # A new attempt is a new start: the old words do not end it.
    finishing(step)
    assert step.run().metrics["steps"] == 4


def test_the_words_arrive_where_the_job_cannot_be_deleted(step: Step) -> None:
    step.server.forbidden.add("delete trainjobs")
    step.server.on_read = lambda _: leave_job_error(step.job_folder(), GukbapError("the loss became nan"))
    with pytest.raises(StageFailedError, match="the loss became nan"):
        step.run()


def test_missing_rights_are_named(step: Step) -> None:
    step.server.forbidden.add("create trainjobs")
    with pytest.raises(MissingRightError, match=r"may not create trainjobs\.trainer\.kubeflow\.org"):
        step.run()


def test_a_cluster_without_kubeflow_trainer_is_named(step: Step) -> None:
    step.server.unknown.add("trainjobs")
    with pytest.raises(GukbapError, match="knows no TrainJob") as raised:
        step.run()
    assert "cluster.trainer=pod" in str(raised.value.fix)


def test_a_refusal_of_trainers_webhook_is_no_missing_right(step: Step) -> None:
    step.server.denial = "unsupported runtime"
    with pytest.raises(GukbapError, match="unsupported runtime") as raised:
        step.run()
    assert not isinstance(raised.value, MissingRightError)


def test_an_api_server_that_is_away_for_a_while_is_waited_for(step: Step) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        if step.server.counted("get trainjobs") == 2:
            step.server.failing = 3
        if step.server.counted("get trainjobs") > 4:
            leave_result(step.job_folder())

    step.server.on_read = controller
    assert step.run().metrics["steps"] == 4


def test_one_that_stays_away_ends_the_step_and_not_the_job(step: Step) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        step.server.failing = 10**6

    step.server.on_read = controller
    with pytest.raises(ClusterUnreachableError):
        step.run()
    assert len(step.server.names("trainjobs")) == 1


def test_a_job_that_somebody_deleted_is_missed(step: Step) -> None:
    def controller(train_job: dict[str, Any]) -> None:
        step.server.objects.clear()

    step.server.on_read = controller
    with pytest.raises(GukbapError, match="is gone before it left a result"):
        step.run()


def test_a_job_that_is_complete_without_a_result_is_an_error(step: Step) -> None:
    step.server.on_read = lambda train_job: condition(train_job, "Complete")
    with pytest.raises(GukbapError, match="complete and left no result"):
        step.run()


def test_a_step_that_is_stopped_deletes_its_job(step: Step) -> None:
    step.server.on_read = lambda _: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        step.run()
    assert step.server.names("trainjobs") == []
    assert list(step.server.policies.values()) == ["Foreground"]
    assert not step.model.exists()


def test_a_step_that_is_stopped_before_it_watches_deletes_its_job_too(step: Step) -> None:
    step.server.on_create = lambda: os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        step.run()
    assert step.server.counted("create trainjobs") == 1 and step.server.names("trainjobs") == []


def test_outside_of_a_run_it_is_refused(step: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUKBAP_SHARED_DIR")
    with pytest.raises(ConfigError, match="GUKBAP_SHARED_DIR is not set"):
        step.run()


def test_the_workflow_owns_the_job_and_its_account_runs_it(
    step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_POD_NAME", "launcher")
    workflow = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u-1"}
    spec = {"containers": [{"name": "main", "image": "x"}], "serviceAccountName": "pipeline-runner"}
    step.server.add("pods", "launcher", metadata={"ownerReferences": [workflow]}, spec=spec, status={})
    made: list[dict[str, Any]] = []

    def controller(train_job: dict[str, Any]) -> None:
        made.append(train_job)
        leave_result(step.job_folder())

    step.server.on_read = controller
    step.run()
    assert made[0]["metadata"]["ownerReferences"] == [workflow]
    (patch,) = made[0]["spec"]["runtimePatches"]
    (job,) = patch["trainingRuntimeSpec"]["template"]["spec"]["replicatedJobs"]
    assert job["template"]["spec"]["template"]["spec"]["serviceAccountName"] == "pipeline-runner"
