"""Rollback in a real SQLite store of MLflow: once, again, to a version, and where it cannot be."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_promotions import PromotionLog
from gukbap.errors import InputError, UsageError
from gukbap.workers.rollback import roll_back
from tests.tracking_files import tracking_file


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tracking_file(tmp_path_factory.mktemp("tracking") / "mlflow.db")


@pytest.fixture
def client(uri: str) -> Any:
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture
def model(client: Any, uri: str) -> str:
    """A model whose versions 1, 2 and 4 were promoted one after the other."""
    name = f"gukbap-{uuid.uuid4()}"
    client.create_registered_model(name)
    for number in range(4):
        client.create_model_version(name, f"s3://bucket/{number}")
    log = PromotionLog(client, uri, name)
    for version in (1, 2, 4):
        assert log.change("promotion", version, after=log.settled())
    log.settled()
    return name


def aliases(client: Any, model: str) -> dict[str, int]:
    return {alias: int(one) for alias, one in client.get_registered_model(model).aliases.items()}


def test_the_last_promotion_is_taken_back_once(client: Any, uri: str, model: str, tmp_path: Path) -> None:
    done = roll_back(uri, model, None)
    assert (done.changed, done.before, done.after) == (True, 4, 2)
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    again = roll_back(uri, model, None)
    assert (again.changed, again.after) == (False, 2)
    assert "--to" in again.reason
    assert aliases(client, model) == {"champion": 2, "previous": 1}
    assert done.record is not None
    run_id, _, path = done.record.removeprefix("runs:/").partition("/")
    kept = json.loads(Path(client.download_artifacts(run_id, path, str(tmp_path))).read_text())
    assert (kept["before"], kept["after"], kept["number"]) == (4, 2, 4)


def test_any_former_champion_can_be_named(client: Any, uri: str, model: str) -> None:
    assert roll_back(uri, model, 1).after == 1
    assert aliases(client, model) == {"champion": 1}
    assert not roll_back(uri, model, 1).changed
    assert roll_back(uri, model, 4).after == 4
    assert aliases(client, model) == {"champion": 4, "previous": 1}


def test_a_deleted_version_cannot_be_gone_back_to(client: Any, uri: str, model: str) -> None:
    client.delete_model_version(model, "1")
    with pytest.raises(InputError, match="version 1 of gukbap-"):
        roll_back(uri, model, 1)
    assert aliases(client, model) == {"champion": 4, "previous": 2}


def test_what_cannot_be_gone_back_to_is_one_clear_error(client: Any, uri: str, model: str) -> None:
    with pytest.raises(InputError, match="never the champion") as caught:
        roll_back(uri, model, 3)
    assert caught.value.expected == "one of 1, 2, 4"
    roll_back(uri, model, 1)
    log = PromotionLog(client, uri, model)
    assert log.change("promotion", 1, after=log.settled())
    with pytest.raises(InputError, match="first champion"):
        roll_back(uri, model, None)
    with pytest.raises(InputError, match="no model 'missing'"):
        roll_back(uri, "missing", None)


def test_a_model_may_be_left_out_where_there_is_one(client: Any, uri: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model"):
        roll_back(uri, None, None)
    alone = f"sqlite:///{tmp_path / 'alone.db'}"
    MlflowClient(tracking_uri=alone, registry_uri=alone).create_registered_model("gukbap-local")
    with pytest.raises(InputError, match="gukbap-local has no champion"):
        roll_back(alone, None, None)
