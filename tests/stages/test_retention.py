"""What may go of made-up runs and versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gukbap.config import RetentionConfig
from gukbap.holdings import FoundRegistry, FoundRun, FoundVersion
from gukbap.stages.retention import Ruling, rule, version_need

NOW = datetime(2026, 11, 27, tzinfo=UTC)
PLACE = "file:///runs"


def run(number: int, days: float = 100, **changes: Any) -> FoundRun:
    """A finished run of so many days ago, with something of every part."""
    sizes = {"run": 1000, "model": 600, "journals": 200, "checkpoints": 100}
    found = FoundRun(PLACE, f"run-{number}", True, NOW - timedelta(days=days), False, False, sizes)  # type: ignore[arg-type]
    return replace(found, **changes)


def version(number: int, of: FoundRun, days: float = 100, **changes: Any) -> FoundVersion:
    source = f"{of.place}/{of.run}/model"
    made = NOW - timedelta(days=days)
    return replace(FoundVersion("m", number, of.run, source, made, True, None, False), **changes)


def rulings(
    runs: list[FoundRun], registry: FoundRegistry | None = None, **policy: Any
) -> dict[tuple[str, str], Ruling]:
    weights = {f"{one.place}/{one.run}/model": one.sizes["model"] for one in runs}
    config = RetentionConfig.model_validate(policy)
    return {
        (one.name, one.part): one for one in rule(runs, registry or FoundRegistry(), weights, config, NOW)
    }


def going(*arguments: Any, **policy: Any) -> set[tuple[str, str]]:
    return {key for key, ruling in rulings(*arguments, **policy).items() if ruling.goes}


def test_an_old_run_s_parts_go_and_the_run_stays() -> None:
    assert going([run(1)]) == {("run-1", "checkpoints"), ("run-1", "journals"), ("run-1", "model")}


def test_young_parts_stay_as_long_as_the_policy_says() -> None:
    assert going([run(1, days=20)]) == {("run-1", "checkpoints"), ("run-1", "model")}
    assert going([run(1, days=20)], model_days=21, journal_days=19, checkpoint_runs=1) == {
        ("run-1", "journals")
    }


@pytest.mark.parametrize(
    ("changes", "registry", "why"),
    [
        ({"busy": True}, {}, "works in it"),
        ({"finished": False}, {}, "can be resumed"),
        ({"pinned": True}, {}, "pinned"),
        ({}, {"open_runs": frozenset({"run-1"})}, "running"),
        ({}, {"pinned_runs": frozenset({"run-1"})}, "pinned"),
        ({}, {"versions": [version(1, run(1), pinned=True)]}, "version 1 is pinned"),
    ],
)
def test_nothing_goes_of_a_run_that_is_open_or_pinned(
    changes: dict[str, Any], registry: dict[str, Any], why: str
) -> None:
    found = rulings([run(1, **changes)], FoundRegistry(**registry), run_days=0, keep_runs=1)
    assert not any(one.goes for one in found.values())
    assert why in found["run-1", "run"].why


def test_an_abandoned_run_counts_as_finished_only_where_the_policy_says_so() -> None:
    assert going([run(1, finished=False)], abandoned_days=101) == set()
    assert ("run-1", "journals") in going([run(1, finished=False)], abandoned_days=99)


def test_a_needed_model_stays_in_every_place_and_its_run_is_not_deleted() -> None:
    here, copy = run(1), run(1, place="s3://bucket/runs")
    needed = version(1, copy, needed="champion of m")
    newer = [run(number, days=1) for number in range(2, 4)]
    found = rulings([here, copy, *newer], FoundRegistry([needed]), run_days=0, keep_runs=1)
    assert found["run-1", "model"].why == "champion of m"
    assert found["1", "version"].why == "champion of m"
    assert {key for key, one in found.items() if one.goes and key[0] in ("run-1", "1")} == {
        ("run-1", "checkpoints"),
        ("run-1", "journals"),
    }


def test_a_version_that_nobody_needs_goes_with_its_model() -> None:
    assert {("1", "version"), ("run-1", "model")} <= going([run(1)], FoundRegistry([version(1, run(1))]))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"settled": False}, "no verdict"),
        ({"source": "s3://elsewhere/model"}, "does not look"),
        ({"made": NOW}, "stay 14 days"),
    ],
)
def test_the_model_of_a_version_that_stays_stays_too(changes: dict[str, Any], why: str) -> None:
    found = rulings([run(1)], FoundRegistry([version(1, run(1), **changes)]), run_days=0, keep_runs=1)
    assert why in found["1", "version"].why
    assert not found["1", "version"].goes
    assert not found["run-1", "model"].goes


def test_a_model_that_another_run_registered_is_found_by_where_it_lies() -> None:
    reused = version(2, run(1), run="run-9", needed="champion of m")
    assert ("run-1", "model") not in going([run(1)], FoundRegistry([reused]))


def test_whole_runs_go_beyond_the_newest_ones_and_old_enough() -> None:
    runs = [run(number, days=number) for number in range(1, 6)]
    whole = {name for name, part in going(runs, keep_runs=2, run_days=4) if part == "run"}
    assert whole == {"run-4", "run-5"}
    assert not any(part == "run" for _, part in going(runs, keep_runs=2))


def test_without_a_registry_no_model_goes() -> None:
    found = {(one.name, one.part): one for one in rule([run(1)], None, {}, RetentionConfig(run_days=0), NOW)}
    assert not found["run-1", "model"].goes
    assert "no registry" in found["run-1", "model"].why
    assert found["run-1", "journals"].goes


def test_a_model_outside_of_runs_stays_while_any_run_may_reuse_it() -> None:
    one = version(1, run(1), source="s3://mlpipeline/artifacts/1/model")
    for open_runs, stays in ((frozenset({"run-7"}), True), (frozenset(), False)):
        why = version_need(one, FoundRegistry([one], open_runs), closed=(), outside=True)
        assert (why is not None) == stays
