"""The log of a model's champions, on a real server and a real SQLite file: races, kills, moved aliases."""

from __future__ import annotations

import subprocess
import sys
import uuid
from datetime import datetime, tzinfo
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters import mlflow_promotions
from gukbap.adapters.mlflow_promotions import Change, PromotionLog, Standing, standing
from gukbap.errors import StoreError


def line(*changes: tuple[str, int]) -> list[Change]:
    return [
        Change(number=number, kind=kind, version=version, at="")  # type: ignore[arg-type]
        for number, (kind, version) in enumerate(changes, start=1)
    ]


@pytest.mark.parametrize(
    ("changes", "champion", "previous"),
    [
        ([], None, None),
        ([("promotion", 1)], 1, None),
        ([("promotion", 1), ("promotion", 3)], 3, 1),
        ([("promotion", 1), ("promotion", 3), ("rollback", 1)], 1, None),
        ([("promotion", 1), ("promotion", 2), ("promotion", 3), ("rollback", 2)], 2, 1),
        ([("promotion", 1), ("promotion", 3), ("rollback", 1), ("promotion", 3)], 3, 1),
        ([("promotion", 1), ("promotion", 3), ("rollback", 1), ("promotion", 5)], 5, 1),
        ([("promotion", 1), ("promotion", 3), ("adopted", 2)], 2, 3),
        ([("adopted", 4), ("promotion", 5), ("promotion", 9)], 5, 4),
    ],
)
def test_what_a_log_comes_to(changes: Any, champion: int | None, previous: int | None) -> None:
    found = standing(line(*changes), existing={1, 2, 3, 4, 5})
    assert (found.champion, found.previous) == (champion, previous)


@pytest.fixture
def client(uri: str) -> Any:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def model(client: Any) -> str:
    """A registered model with four versions."""
    name = f"gukbap's {uuid.uuid4()}"
    client.create_registered_model(name)
    for number in range(4):
        client.create_model_version(name, f"s3://bucket/{number}")
    return name


def held(client: Any, model: str) -> dict[str, int]:
    return {alias: int(one) for alias, one in client.get_registered_model(model).aliases.items()}


def promote(log: PromotionLog, version: int) -> Standing:
    assert log.change("promotion", version, after=log.settled())
    return log.settled()


def test_aliases_follow_the_log(client: Any, uri: str, model: str) -> None:
    log = PromotionLog(client, uri, model)
    assert log.settled() == Standing(None, None, ())
    promote(log, 1)
    assert held(client, model) == {"champion": 1}
    promote(log, 3)
    assert held(client, model) == {"champion": 3, "previous": 1}
    assert log.change("rollback", 1, after=log.settled())
    back = PromotionLog(client, uri, model).settled()
    assert held(client, model) == {"champion": 1}
    assert [(one.number, one.kind, one.version) for one in back.changes] == [
        (1, "promotion", 1),
        (2, "promotion", 3),
        (3, "rollback", 1),
    ]
    assert back.was_champion(3) and not back.was_champion(2)


def test_of_two_that_compared_with_the_same_champion_one_is_promoted(
    client: Any, uri: str, model: str
) -> None:
    first, second = (PromotionLog(client, uri, model) for _ in range(2))
    assert first.run_id == second.run_id
    promote(first, 1)
    before = second.settled()
    assert first.change("promotion", 2, after=before)
    assert not second.change("promotion", 3, after=before)
    assert second.settled().champion == 2
    assert held(client, model) == {"champion": 2, "previous": 1}


def test_a_change_without_its_alias_is_completed_by_whoever_comes_next(
    client: Any, uri: str, model: str
) -> None:
    log = PromotionLog(client, uri, model)
    promote(log, 1)
    assert log.change("promotion", 2, after=log.settled())
    assert held(client, model) == {"champion": 1}
    assert PromotionLog(client, uri, model).settled().champion == 2
    assert held(client, model) == {"champion": 2, "previous": 1}


def test_an_alias_that_a_person_has_moved_is_believed(client: Any, uri: str, model: str) -> None:
    log = PromotionLog(client, uri, model)
    for version in (1, 2):
        promote(log, version)
    client.set_registered_model_alias(model, "champion", "4")
    found = log.settled()
    assert (found.champion, found.previous, found.changes[-1].kind) == (4, 2, "adopted")
    assert held(client, model) == {"champion": 4, "previous": 2}
    client.delete_registered_model_alias(model, "champion")
    assert log.settled().champion == 4
    assert held(client, model) == {"champion": 4, "previous": 2}


def test_the_champion_of_an_older_registry_is_adopted(client: Any, uri: str, model: str) -> None:
    client.set_registered_model_alias(model, "champion", "2")
    found = PromotionLog(client, uri, model).settled()
    assert (found.champion, [one.kind for one in found.changes]) == (2, ["adopted"])


def test_a_deleted_champion_gives_way_to_the_one_before(client: Any, uri: str, model: str) -> None:
    log = PromotionLog(client, uri, model)
    for version in (1, 2, 3):
        promote(log, version)
    client.delete_model_version(model, "3")
    assert log.settled().champion == 2
    assert held(client, model) == {"champion": 2, "previous": 1}


def test_records_lie_beside_the_log(client: Any, uri: str, model: str) -> None:
    log = PromotionLog(client, uri, model)
    found = log.attach("0003.json", "{}")
    assert found == f"runs:/{log.run_id}/0003.json"
    assert [one.path for one in client.list_artifacts(log.run_id)] == ["0003.json"]


def test_a_missing_model_is_one_clear_error(client: Any, uri: str) -> None:
    with pytest.raises(StoreError, match="refuses"):
        PromotionLog(client, uri, f"missing {uuid.uuid4()}").settled()


def test_two_that_promote_the_same_version_at_one_moment_do_not_both_win(
    client: Any, uri: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Standstill(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Standstill:
            return cls(2026, 1, 1, tzinfo=tz)

    monkeypatch.setattr(mlflow_promotions, "datetime", Standstill)
    log = PromotionLog(client, uri, model)
    before = log.settled()
    assert [log.change("promotion", 1, after=before) for _ in range(2)] == [True, False]


#: eight processes that have all seen the same champion
_EIGHT = """
import multiprocessing, sys, mlflow
from gukbap.adapters.mlflow_client import open_client
from gukbap.adapters import mlflow_promotions
from gukbap.adapters.mlflow_promotions import PromotionLog
uri, model = sys.argv[1:]
context = multiprocessing.get_context("fork")
start = context.Barrier(8)
won = context.Queue()
def attempt(number):
    log = PromotionLog(open_client(uri), uri, model)
    before = log.settled()
    start.wait(300)
    won.put(log.change("promotion", 1 + number % 4, after=before))
    log.settled()
children = [context.Process(target=attempt, args=(number,)) for number in range(8)]
for child in children:
    child.start()
for child in children:
    child.join()
print(sum(won.get(timeout=10) for _ in children), sum(child.exitcode for child in children))
"""


@pytest.mark.slow
def test_of_eight_at_one_moment_one_is_promoted(client: Any, uri: str, model: str) -> None:
    done = subprocess.run([sys.executable, "-c", _EIGHT, uri, model], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "0"], done.stderr
    found = PromotionLog(client, uri, model).settled()
    assert len(found.changes) == 1
    assert held(client, model) == {"champion": found.champion}
