"""Runs on Kubeflow Pipelines: parameters, submitting, following, schedules."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gukbap.adapters.kfp import Connection, apply, follow, list_runs, submit
from gukbap.adapters.kfp.recurring import list_recurring
from gukbap.adapters.kfp.schedules import choose, remove, switch, trigger
from gukbap.errors import ClusterError, UsageError
from tests.adapters.kfp_helpers import SaidProgress, connection_to, package, recipe
from tests.kfp_server import kfp_server
from tests.kfp_server_rules import Node
from tests.kfp_server_state import KfpServer

IMPL = "system-container-impl"


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server(ticking=True) as server:
        yield server


@pytest.fixture
def applied(kfp: KfpServer, tmp_path: Path) -> Connection:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    return connection


def nodes_of(task: str, phase: str, *attempts: Node) -> list[Node]:
    """The nodes that Argo makes for a task: driver, DAG, executor (and its attempts)."""
    place = f"root.{task}"
    driver = Node(f"{place}-driver", "Succeeded", "Pod", "system-container-driver")
    return [driver, Node(place, phase, children=(f"{place}.executor",)), *attempts]


def pod(task: str, phase: str, attempt: int | None = None, message: str = "") -> Node:
    """A pod of a task, or of one of its attempts."""
    end = "" if attempt is None else f"({attempt})"
    return Node(f"root.{task}.executor{end}", phase, "Pod", IMPL, message)


def test_a_run_gets_typed_parameters_of_the_latest_version(kfp: KfpServer, applied: Connection) -> None:
    texts = {
        "said": "한국어 = 좋아요",
        "count": "3",
        "share": "2.5e-1",
        "sure": "True",
        "rows": '["a", 1]',
        "facts": '{"a": 1}',
    }
    started = submit(applied, "smoke", texts, experiment="tries", run_name="mine")
    (run,) = kfp.runs.values()
    assert run["display_name"] == started.name == "mine"
    assert run["runtime_config"]["parameters"] == {
        "said": "한국어 = 좋아요",
        "count": 3,
        "share": 0.25,
        "sure": True,
        "rows": ["a", 1],
        "facts": {"a": 1},
    }
    (version,) = kfp.versions.values()
    assert started.version == version["name"]
    assert {row["display_name"] for row in kfp.experiments.values()} == {"gukbap", "tries"}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("cuont", "3", "no parameter 'cuont' \\(did you mean count\\?\\)"),
        ("zzz", "3", "no parameter 'zzz'"),
        ("count", "3.5", "count='3.5' is not a whole number \\(NUMBER_INTEGER\\)"),
        ("count", "three", "is not a whole number"),
        ("share", "much", "is not a number \\(NUMBER_DOUBLE\\)"),
        ("share", "nan", "is not a number"),
        ("sure", "yes", "is not true or false \\(BOOLEAN\\)"),
        ("rows", '{"a": 1}', "is not a JSON list \\(LIST\\)"),
        ("facts", "[1", "is not a JSON object \\(STRUCT\\)"),
    ],
)
def test_a_wrong_parameter_is_told_before_anything_is_sent(
    kfp: KfpServer, applied: Connection, name: str, text: str, said: str
) -> None:
    writes = list(kfp.writes)
    with pytest.raises(UsageError, match=said) as caught:
        submit(applied, "smoke", {name: text}, experiment="new")
    assert caught.value.exit_code == 2
    assert "count (NUMBER_INTEGER)" in str(caught.value)
    assert kfp.writes == writes


def test_a_version_is_chosen_by_name(kfp: KfpServer, applied: Connection, tmp_path: Path) -> None:
    first = package(tmp_path).version
    apply(applied, recipe(), package(tmp_path, "second"), {})
    assert submit(applied, "smoke", {}, version=first, experiment="gukbap").version == first
    latest = submit(applied, "smoke", {}, experiment="gukbap").version
    assert latest == package(tmp_path, "second").version
    with pytest.raises(UsageError, match="has no version 'v9'") as caught:
        submit(applied, "smoke", {}, version="v9", experiment="gukbap")
    assert first in str(caught.value)


def test_what_is_not_registered_says_apply(kfp: KfpServer) -> None:
    connection = connection_to(kfp.url)
    for act in (
        lambda: submit(connection, "smoke", {}, experiment="x"),
        lambda: list_runs(connection, "smoke"),
    ):
        with pytest.raises(ClusterError, match="gukbap-smoke is not registered") as caught:
            act()
        assert caught.value.fix == "gukbap apply smoke"
    assert kfp.writes == []


def test_runs_are_listed_newest_first_and_ours_alone(kfp: KfpServer, applied: Connection) -> None:
    made = [submit(applied, "smoke", {}, experiment="gukbap", run_name=f"run {n}").id for n in range(5)]
    kfp.end_run(made[4], "SUCCEEDED")
    kfp.runs["other"] = {
        **kfp.runs[made[0]],
        "run_id": "other",
        "pipeline_version_reference": {"pipeline_id": "p", "pipeline_version_id": "v"},
    }
    rows = list_runs(applied, limit=3)
    assert [row.id for row in rows] == [made[4], made[3], made[2]]
    assert [row.state for row in rows] == ["SUCCEEDED", "PENDING", "PENDING"]
    assert rows[0].seconds > 0
    assert [row.id for row in list_runs(applied, "smoke")] == made[::-1]


def script(kfp: KfpServer, run_id: str, *acts: Callable[[], None]) -> None:
    """Do one act before each further look at a run."""
    left = list(acts)

    def on_request(request: str) -> None:
        if request == f"GET /apis/v2beta1/runs/{run_id}" and left:
            left.pop(0)()

    kfp.on_request = on_request


def test_following_shows_each_state_once_until_the_run_ends(kfp: KfpServer, applied: Connection) -> None:
    run_id = submit(applied, "smoke", {}, experiment="gukbap").id
    first, tuned = kfp.nodes, "work"

    def see(*nodes: Node) -> Callable[[], None]:
        return lambda: first.update({run_id: list(nodes)})

    def end() -> None:
        kfp.end_run(run_id, "SUCCEEDED")

    waiting = pod("work-2", "Pending", 0, "Unschedulable: 0/3 nodes: Insufficient nvidia.com/gpu")
    failed, again = pod("work-2", "Failed", 0, "OOMKilled (exit code 137)"), pod("work-2", "Running", 1)
    cached = nodes_of(tuned, "Succeeded", Node("root.work.executor", "Skipped", "Skipped", IMPL))
    script(
        kfp,
        run_id,
        see(),
        see(*cached, *nodes_of("work-2", "Running", waiting)),
        see(*cached, *nodes_of("work-2", "Running", pod("work-2", "Running", 0))),
        see(*cached, *nodes_of("work-2", "Running", failed, again)),
        see(*cached, *nodes_of("work-2", "Succeeded", failed, replace(again, phase="Succeeded"))),
        end,
    )
    progress = SaidProgress()
    final = follow(applied, run_id, progress, interval=0.01)
    assert progress.lines == [
        "judge-tuned-1-shot: cached",
        "train: pending (Unschedulable: 0/3 nodes: Insufficient nvidia.com/gpu)",
        "train: running",
        "train: retrying (attempt 2)",
        "train: succeeded (attempt 2)",
    ]
    assert (final.state, final.exit_code, final.error()) == ("SUCCEEDED", 0, None)
    assert final.seconds > 0


def test_a_failed_run_names_its_failed_steps_and_their_logs(kfp: KfpServer, applied: Connection) -> None:
    run_id = submit(applied, "smoke", {}, experiment="gukbap", run_name="mine").id
    broken = pod("work-2", "Failed", message="Error (exit code 1)")
    kfp.nodes[run_id] = nodes_of("work-2", "Failed", broken)
    kfp.end_run(run_id, "FAILED")
    final = follow(applied, run_id, SaidProgress(), interval=0.01)
    assert final.exit_code == 1
    error = final.error()
    assert error is not None
    assert error.problem == f"the run mine ({run_id}) ended FAILED: train: Error (exit code 1)"
    assert error.fix == f"`gukbap logs {run_id} train`"
    assert {step.name: step.state for step in final.steps} == {
        "judge-tuned-1-shot": "skipped",
        "train": "failed",
    }


def test_states_are_told_without_the_v1beta1_api(kfp: KfpServer, applied: Connection) -> None:
    kfp.without_v1 = True
    run_id = submit(applied, "smoke", {}, experiment="gukbap").id
    kfp.nodes[run_id] = [
        *nodes_of("work", "Succeeded", pod("work", "Succeeded")),
        Node("root.work-2-driver", "Failed", "Pod", "system-container-driver"),
    ]
    kfp.end_run(run_id, "FAILED")
    final = follow(applied, run_id, SaidProgress(), interval=0.01)
    assert {step.name: step.state for step in final.steps} == {
        "judge-tuned-1-shot": "succeeded",
        "train": "failed",
    }


def test_a_terminated_run_is_canceled(kfp: KfpServer, applied: Connection) -> None:
    run_id = submit(applied, "smoke", {}, experiment="gukbap").id
    kfp.nodes[run_id] = nodes_of("work", "Running", pod("work", "Running"))
    kfp.end_run(run_id, "CANCELED")
    final = follow(applied, run_id, SaidProgress(), interval=0.01)
    assert final.exit_code == 1
    assert [step.state for step in final.steps] == ["canceled", "skipped"]
    assert "ended CANCELED" in str(final.error())


def test_following_survives_an_outage(
    kfp: KfpServer, applied: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gukbap.adapters.kfp.following._Patient.PAUSE", 0.01)
    run_id = submit(applied, "smoke", {}, experiment="gukbap").id
    begin = len(kfp.requests)

    def on_request(_: str) -> None:
        kfp.down = 3 <= len(kfp.requests) - begin <= 6
        if len(kfp.requests) - begin == 9:
            threading.Thread(target=kfp.end_run, args=(run_id, "SUCCEEDED")).start()

    kfp.on_request = on_request
    progress = SaidProgress()
    assert follow(applied, run_id, progress, interval=0.01).state == "SUCCEEDED"
    assert [line.split(";")[0].split(" (")[0] for line in progress.lines[:2]] == [
        f"Kubeflow Pipelines at {kfp.url} is not ready",
        "the API answers again",
    ]


def test_an_outage_that_does_not_end_ends_the_following(
    kfp: KfpServer, applied: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gukbap.adapters.kfp.following._Patient.PAUSE", 0.01)
    run_id = submit(applied, "smoke", {}, experiment="gukbap").id
    kfp.down = True
    with pytest.raises(ClusterError, match="is not ready"):
        follow(applied, run_id, SaidProgress(), interval=0.01, patience=0.1)


def test_following_an_unknown_run_fails_at_once(applied: Connection) -> None:
    with pytest.raises(ClusterError, match="not found"):
        follow(applied, "nosuch", SaidProgress())


def test_a_recurring_run_is_chosen_paused_resumed_triggered_and_deleted(
    kfp: KfpServer, applied: Connection
) -> None:
    (run,) = list_recurring(applied)
    assert choose(applied, None) == choose(applied, "smoke") == choose(applied, "gukbap-smoke") == run
    assert choose(applied, run.id) == run
    assert switch(applied, run, False)
    assert kfp.enabled() == []
    paused = choose(applied, None)
    assert not switch(applied, paused, False)
    assert switch(applied, paused, True)
    started = trigger(applied, run)
    (sent,) = kfp.runs.values()
    assert sent["runtime_config"]["parameters"] == {"freshness": "always"}
    assert sent["recurring_run_id"] == run.id
    assert sent["experiment_id"] == run.experiment_id
    assert sent["display_name"] == started.name
    assert started.name.startswith(f"gukbap-smoke {datetime.now(UTC):%Y-%m-%d}")
    remove(applied, run)
    assert kfp.deletions == ["ORPHAN"]
    for act in (lambda: remove(applied, run), lambda: switch(applied, run, False)):
        with pytest.raises(UsageError, match="was deleted meanwhile"):
            act()
    with pytest.raises(UsageError, match="there is no recurring run 'smoke'"):
        choose(applied, "smoke")


def test_an_unclear_choice_lists_the_recurring_runs(kfp: KfpServer, applied: Connection) -> None:
    (run,) = kfp.recurring_runs.values()
    kfp.recurring_runs["second"] = {**run, "recurring_run_id": "second", "display_name": "gukbap-local"}
    with pytest.raises(UsageError, match="2 recurring runs fit") as caught:
        choose(applied, None)
    assert "gukbap-local (second)" in str(caught.value)
    assert choose(applied, "local").id == "second"
