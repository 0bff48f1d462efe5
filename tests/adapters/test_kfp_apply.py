"""Registering on Kubeflow Pipelines: idempotent, safe in races, healed after a kill."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import kfp as kfp_sdk
import pytest

from gukbap.adapters.kfp import apply, connect
from gukbap.adapters.kfp.recurring import list_recurring, set_enabled
from gukbap.adapters.kfp.registration import preview
from gukbap.errors import ClusterError, UsageError
from tests.adapters.kfp_helpers import changes_of, connection_to, package, recipe
from tests.kfp_server import kfp_server
from tests.kfp_server_state import KfpServer


@pytest.fixture
def kfp() -> Iterator[KfpServer]:
    with kfp_server() as server:
        yield server


def test_the_first_apply_makes_everything(kfp: KfpServer, tmp_path: Path) -> None:
    changes = apply(connection_to(kfp.url), recipe(), package(tmp_path), {})
    assert set(changes_of(changes).values()) == {"created"}
    (pipeline,) = kfp.pipelines.values()
    (version,) = kfp.versions.values()
    (run,) = kfp.recurring_runs.values()
    assert pipeline["name"] == "gukbap-smoke"
    assert version["name"] == package(tmp_path).version
    assert run["pipeline_version_reference"] == {"pipeline_id": pipeline["pipeline_id"]}, "follows the latest"
    assert run["mode"] == "ENABLE"
    assert run["max_concurrency"] == "1"
    assert run["no_catchup"] is True
    assert run["trigger"]["cron_schedule"]["cron"] == "0 0 18 * * 0"
    assert run["runtime_config"]["parameters"] == {"freshness": "always"}


def test_the_sdk_s_own_client_sees_the_same(
    kfp: KfpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The contract server as kfp.Client reads it, so that both sides are held to one API."""
    apply(connection_to(kfp.url), recipe(), package(tmp_path), {})
    client = kfp_sdk.Client
    monkeypatch.setattr(client, "_LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    with pytest.warns(FutureWarning):
        sdk = client(host=kfp.url, namespace="ann")
    pipeline_id = sdk.get_pipeline_id("gukbap-smoke")
    (version,) = sdk.list_pipeline_versions(pipeline_id).pipeline_versions
    (run,) = sdk.list_recurring_runs().recurring_runs
    assert version.name == package(tmp_path).version
    assert run.status == "ENABLED"
    assert run.pipeline_version_reference.pipeline_id == pipeline_id
    assert not run.pipeline_version_reference.pipeline_version_id


def test_a_second_apply_writes_nothing(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {"count": "3"})
    writes = list(kfp.writes)
    for _ in range(2):
        changes = apply(connection, recipe(), package(tmp_path), {"count": "3"})
        assert set(changes_of(changes).values()) == {"unchanged"}
    assert kfp.writes == writes


def test_a_preview_says_what_apply_does_and_writes_nothing(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    before = preview(connection, recipe(), package(tmp_path), {})
    assert kfp.writes == []
    assert changes_of(before) == changes_of(apply(connection, recipe(), package(tmp_path), {}))
    writes = list(kfp.writes)
    other = recipe(cron="0 0 6 * * *")
    planned = preview(connection, other, package(tmp_path, "second"), {})
    assert kfp.writes == writes
    assert changes_of(planned) == changes_of(apply(connection, other, package(tmp_path, "second"), {}))
    assert changes_of(planned) == {
        "pipeline": "unchanged",
        "version": "created",
        "experiment": "unchanged",
        "recurring run": "replaced",
    }


def test_another_schedule_replaces_the_recurring_run_and_spares_its_runs(
    kfp: KfpServer, tmp_path: Path
) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    fired = 2
    changes = apply(connection, recipe(cron="0 0 6 * * *"), package(tmp_path), {"count": str(fired)})
    assert changes_of(changes)["recurring run"] == "replaced"
    (run,) = kfp.recurring_runs.values()
    assert run["trigger"]["cron_schedule"]["cron"] == "0 0 6 * * *"
    assert run["runtime_config"]["parameters"] == {"freshness": "always", "count": fired}
    assert run["mode"] == "ENABLE"
    assert kfp.deletions == ["ORPHAN"], "a training that the old one started must go on"


def test_the_enabled_flag_is_switched_in_place(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    (before,) = kfp.recurring_runs
    off = apply(connection, recipe("schedule.enabled=false"), package(tmp_path), {})
    assert changes_of(off)["recurring run"] == "disabled"
    assert kfp.enabled() == []
    on = apply(connection, recipe(), package(tmp_path), {})
    assert changes_of(on)["recurring run"] == "enabled"
    assert list(kfp.recurring_runs) == [before]


def test_without_a_schedule_only_our_recurring_run_is_removed(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    (ours,) = kfp.recurring_runs.values()
    foreign = {**ours, "recurring_run_id": "foreign", "description": "made by hand"}
    kfp.recurring_runs["foreign"] = foreign
    changes = apply(connection, recipe(cron=None), package(tmp_path), {})
    assert changes_of(changes)["recurring run"] == "removed"
    assert list(kfp.recurring_runs) == ["foreign"]
    again = apply(connection, recipe(cron=None), package(tmp_path), {})
    assert changes_of(again)["recurring run"] == "none"


def test_a_recipe_set_back_becomes_the_latest_version_again(tmp_path: Path) -> None:
    """Recurring runs follow the newest upload, so an old version alone would not do."""
    with kfp_server(ticking=True) as kfp:
        connection = connection_to(kfp.url)
        for text in ("first", "second", "first", "first"):
            apply(connection, recipe(), package(tmp_path, text), {})
        base = package(tmp_path, "first").version
        assert [row["name"] for row in kfp.versions.values()] == [
            base,
            package(tmp_path, "second").version,
            f"{base}-2",
        ]
        (pipeline,) = kfp.pipelines
        assert kfp.latest(pipeline)["name"] == f"{base}-2"


def test_two_versions_of_one_second_end_with_ours_as_the_latest(kfp: KfpServer, tmp_path: Path) -> None:
    """KFP sorts versions of one second by a random id; here the wrong one always wins the tie."""
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path, "first"), {})
    (first,) = kfp.versions.values()
    first["pipeline_version_id"] = "zzz"
    apply(connection, recipe(), package(tmp_path, "second"), {})
    assert kfp.latest(first["pipeline_id"])["name"].startswith(package(tmp_path, "second").version)


def test_freshness_is_sent_only_to_a_pipeline_that_has_it(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    plain = package(tmp_path, freshness=False)
    with pytest.raises(UsageError, match="said has no value and no default"):
        apply(connection, recipe(), plain, {})
    assert kfp.writes == [], "nothing is sent before the parameters are right"
    apply(connection, recipe(), plain, {"said": "x"})
    (run,) = kfp.recurring_runs.values()
    assert run["runtime_config"]["parameters"] == {"said": "x"}
    with pytest.raises(UsageError, match="has no schedule"):
        apply(connection, recipe(cron=None), plain, {"said": "x"})


def test_an_archived_experiment_is_restored(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    (experiment,) = kfp.experiments.values()
    experiment["storage_state"] = "ARCHIVED"
    assert changes_of(apply(connection, recipe(), package(tmp_path), {}))["experiment"] == "restored"
    assert experiment["storage_state"] == "AVAILABLE"


@pytest.mark.parametrize("appliers", [2, 20])
def test_simultaneous_applies_leave_one_of_each(kfp: KfpServer, tmp_path: Path, appliers: int) -> None:
    kfp.jitter = 0.05
    ready = package(tmp_path)
    failures = _at_once([lambda: apply(connect(kfp.url), recipe(), ready, {}) for _ in range(appliers)])
    assert failures == []
    assert [len(kfp.pipelines), len(kfp.versions), len(kfp.experiments)] == [1, 1, 1]
    assert len(kfp.recurring_runs) == 1
    assert len(kfp.enabled()) == 1


def test_simultaneous_applies_of_two_schedules_leave_one(kfp: KfpServer, tmp_path: Path) -> None:
    kfp.jitter = 0.03
    ready, crons = package(tmp_path), ["0 0 6 * * *", "0 0 18 * * *"]
    apply(connect(kfp.url), recipe(), ready, {})
    _at_once([lambda cron=cron: apply(connect(kfp.url), recipe(cron=cron), ready, {}) for cron in crons])
    kfp.jitter = 0
    assert len(kfp.recurring_runs) >= 1, "two that replace each other's must not end with none"
    apply(connect(kfp.url), recipe(cron=crons[0]), ready, {})
    (run,) = kfp.enabled()
    assert run["trigger"]["cron_schedule"]["cron"] == crons[0]
    assert len(kfp.recurring_runs) == 1


@pytest.mark.parametrize("write", range(1, 7))
def test_a_first_apply_that_dies_after_any_write_is_healed(
    kfp: KfpServer, tmp_path: Path, write: int
) -> None:
    """Writes: pipeline, version, experiment, recurring run, enable; the sixth never comes."""
    kfp.die_after = write
    if write <= 5:
        with pytest.raises(ClusterError):
            apply(connection_to(kfp.url), recipe(), package(tmp_path), {})
    else:
        apply(connection_to(kfp.url), recipe(), package(tmp_path), {})
    assert len(kfp.writes) == min(write, 5)
    _assert_healed(kfp, tmp_path, "0 0 18 * * 0")


@pytest.mark.parametrize("write", range(1, 5))
def test_a_replacement_that_dies_leaves_a_schedule_and_is_healed(
    kfp: KfpServer, tmp_path: Path, write: int
) -> None:
    """Writes: version, new recurring run, enable it, delete the old one: at least one fires throughout."""
    fired: list[int] = []
    apply(connection_to(kfp.url), recipe(), package(tmp_path), {})
    kfp.on_request = lambda _: fired.append(len(kfp.enabled()))
    kfp.die_after = write
    other = recipe(cron="0 0 6 * * *")
    with pytest.raises(ClusterError):
        apply(connection_to(kfp.url), other, package(tmp_path, "second"), {})
    assert min(fired) >= 1
    assert len(kfp.enabled()) >= 1
    _assert_healed(kfp, tmp_path, "0 0 6 * * *", "second")
    assert min(fired) >= 1


def test_a_paused_recurring_run_is_enabled_again(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    set_enabled(connection, list_recurring(connection)[0], False)
    assert changes_of(apply(connection, recipe(), package(tmp_path), {}))["recurring run"] == "enabled"
    assert len(kfp.enabled()) == 1


def test_a_recreated_pipeline_gets_a_new_recurring_run(kfp: KfpServer, tmp_path: Path) -> None:
    """One that points to a pipeline of the past would fail at each firing."""
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    kfp.pipelines.clear()
    kfp.versions.clear()
    apply(connection, recipe(), package(tmp_path), {})
    (run,), (pipeline,) = kfp.recurring_runs.values(), kfp.pipelines
    assert run["pipeline_version_reference"]["pipeline_id"] == pipeline


def test_all_recurring_runs_are_seen_over_many_pages(kfp: KfpServer, tmp_path: Path) -> None:
    connection = connection_to(kfp.url)
    apply(connection, recipe(), package(tmp_path), {})
    (ours,) = kfp.recurring_runs.values()
    for number in range(250):
        copy = {**ours, "recurring_run_id": f"copy-{number:03}"}
        kfp.recurring_runs[copy["recurring_run_id"]] = copy
    assert len(list_recurring(connection)) == 251
    assert changes_of(apply(connection, recipe(), package(tmp_path), {}))["recurring run"] == "healed"
    assert len(kfp.recurring_runs) == 1


def _assert_healed(kfp: KfpServer, folder: Path, cron: str, text: str = "first") -> None:
    kfp.down, kfp.die_after = False, None
    connection = connection_to(kfp.url)
    apply(connection, recipe(cron=cron), package(folder, text), {})
    (run,) = kfp.recurring_runs.values()
    assert run["mode"] == "ENABLE"
    assert run["trigger"]["cron_schedule"]["cron"] == cron
    assert [len(kfp.pipelines), len(kfp.experiments)] == [1, 1]
    writes = list(kfp.writes)
    apply(connection, recipe(cron=cron), package(folder, text), {})
    assert kfp.writes == writes, "healed, so that nothing is left to do"


def _at_once(acts: list) -> list[BaseException]:  # type: ignore[type-arg]
    failures: list[BaseException] = []
    start = threading.Barrier(len(acts))

    def run(act) -> None:  # type: ignore[no-untyped-def]
        start.wait()
        try:
            act()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures
