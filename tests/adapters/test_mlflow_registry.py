"""MLflow's model registry on a real server and a real SQLite file: versions, aliases, kills and races."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_registry import Registered, reason_against, register_model, source_uri
from gukbap.adapters.mlflow_tracker import MlflowTracker, open_run
from gukbap.errors import StoreError

SOURCE = "minio://mlpipeline/v2/artifacts/gukbap/run/train/model"


@pytest.fixture
def name() -> str:
    return f"gukbap's {uuid.uuid4()}"


def a_run(uri: str) -> MlflowTracker:
    return open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)


def register(run: MlflowTracker, name: str, verdict: str = "held", source: str = SOURCE) -> Registered:
    return register_model(
        run, name, model_uri=source, verdict=verdict, description="why", tags={"kfp.run_id": "run"}
    )


def aliases(uri: str, name: str) -> dict[str, int]:
    found = MlflowClient(tracking_uri=uri, registry_uri=uri).get_registered_model(name).aliases
    return {alias: int(version) for alias, version in found.items()}


def versions(uri: str, name: str) -> list[Any]:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = [version for version in client.search_model_versions() if version.name == name]
    return sorted(found, key=lambda version: int(version.version))


def test_a_version_holds_the_weights_uri_its_run_and_its_tags(
    uri: str, run: MlflowTracker, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    registered = register_model(
        run,
        name,
        model_uri=SOURCE,
        verdict="held",
        description="held: nothing can be told",
        tags={"kfp.run_id": "run-1", "gukbap.model_sha256": "ab", "api_token": "secret-in-a-tag"},
    )
    (version,) = versions(uri, name)
    assert version.source == "s3://mlpipeline/v2/artifacts/gukbap/run/train/model"
    assert version.run_id == run.run_id
    assert version.description == "held: nothing can be told"
    assert {key: version.tags[key] for key in ("kfp.run_id", "gukbap.model_sha256", "gukbap.verdict")} == {
        "kfp.run_id": "run-1",
        "gukbap.model_sha256": "ab",
        "gukbap.verdict": "held",
    }
    assert "secret-in-a-tag" not in str(version.tags)
    assert registered == Registered(name, 1, version.source, ("challenger",))
    assert MlflowClient(tracking_uri=uri).list_artifacts(run.run_id) == []
    assert capfd.readouterr().out == ""


def test_champion_moves_on_promotion_alone_and_the_one_before_is_kept(uri: str, name: str) -> None:
    assert register(a_run(uri), name, "held").aliases == ("challenger",)
    assert aliases(uri, name) == {"challenger": 1}
    assert register(a_run(uri), name, "promoted").aliases == ("challenger", "champion")
    assert aliases(uri, name) == {"challenger": 2, "champion": 2}
    assert register(a_run(uri), name, "refused").aliases == ("challenger",)
    assert aliases(uri, name) == {"challenger": 3, "champion": 2}
    register(a_run(uri), name, "promoted")
    assert aliases(uri, name) == {"challenger": 4, "champion": 4, "previous": 2}


def test_a_retry_finds_its_version_and_changes_nothing(uri: str, name: str) -> None:
    first, second = a_run(uri), a_run(uri)
    made = register(first, name, "promoted")
    assert register(first, name, "promoted") == made
    register(second, name, "promoted")
    before = aliases(uri, name)
    assert before == {"challenger": 2, "champion": 2, "previous": 1}
    assert register(first, name, "promoted").version == 1
    assert aliases(uri, name) == before
    assert [int(version.version) for version in versions(uri, name)] == [1, 2]


def test_a_late_retry_leaves_an_alias_where_a_person_has_moved_it(uri: str, name: str) -> None:
    runs = [a_run(uri), a_run(uri)]
    for run in runs:
        register(run, name, "promoted")
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    client.set_registered_model_alias(name, "champion", "1")
    register(runs[1], name, "promoted")
    assert aliases(uri, name)["champion"] == 1


def test_another_model_of_the_same_run_is_another_version(uri: str, run: MlflowTracker, name: str) -> None:
    assert register(run, name).version == 1
    assert register(run, name, source="s3://bucket/other").version == 2


#: before the version, before each of its tags, and before each of challenger, previous and champion
KILLS = [
    ("create_model_version", 0),
    ("set_model_version_tag", 0),
    ("set_registered_model_alias", 0),
    ("set_registered_model_alias", 1),
    ("set_registered_model_alias", 2),
    ("set_model_version_tag", 1),
]
#: for each, a process of its own that registers a model and kills itself at that call
_KILLED = """
import json, multiprocessing, os, signal, sys
from mlflow import MlflowClient
from gukbap.adapters.mlflow_registry import register_model
from gukbap.adapters.mlflow_tracker import open_run
uri, name, kills = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
def attempt(model, method, left):
    original, calls = getattr(MlflowClient, method), iter(range(left))
    def counted(self, *args, **kwargs):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *args, **kwargs)
    setattr(MlflowClient, method, counted)
    run = open_run("tests", model, "a run", uri)
    register_model(run, model, model_uri="s3://b/new", verdict="promoted", description="", tags={})
context = multiprocessing.get_context("fork")
for number, (method, left) in enumerate(kills):
    child = context.Process(target=attempt, args=(f"{name} {number}", method, left))
    child.start()
    child.join()
    print(child.exitcode)
"""


def test_killed_anywhere_a_second_attempt_ends_the_same(sqlite: str) -> None:
    name = f"killed-{uuid.uuid4()}"
    models = [f"{name} {number}" for number in range(len(KILLS))]
    for model in models:
        register(a_run(sqlite), model, "promoted")
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, sqlite, name, json.dumps(KILLS)], capture_output=True, text=True
    )
    assert done.stdout.split() == [str(-signal.SIGKILL)] * len(KILLS), done.stderr
    for model in models:
        registered = register(open_run("tests", model, "a run", sqlite), model, "promoted", "s3://b/new")
        assert registered == Registered(model, 2, "s3://b/new", ("challenger", "champion"))
        assert aliases(sqlite, model) == {"challenger": 2, "champion": 2, "previous": 1}
        assert [version.tags["gukbap.verdict"] for version in versions(sqlite, model)] == ["promoted"] * 2


#: eight processes at one moment; half of them are attempts of one run, the others runs of their own
_EIGHT = """
import multiprocessing, sys, mlflow
from gukbap.adapters.mlflow_registry import register_model
from gukbap.adapters.mlflow_tracker import open_run
uri, name = sys.argv[1:]
context = multiprocessing.get_context("fork")
start = context.Barrier(8)
def attempt(number):
    run = open_run("tests", name if number < 4 else f"{name} {number}", "a run", uri)
    start.wait(60)
    register_model(run, name, model_uri="s3://b/model", verdict="promoted", description="", tags={})
children = [context.Process(target=attempt, args=(number,)) for number in range(8)]
for child in children:
    child.start()
for child in children:
    child.join()
raise SystemExit(any(child.exitcode for child in children))
"""


def test_attempts_at_one_moment_make_one_version_a_run_and_one_champion(uri: str) -> None:
    name = f"new-{uuid.uuid4()}"
    done = subprocess.run([sys.executable, "-c", _EIGHT, uri, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = versions(uri, name)
    assert len(found) == len({version.run_id for version in found}) == 5
    newest = int(found[-1].version)
    held = aliases(uri, name)
    assert held["champion"] == held["challenger"] == newest
    assert held.get("previous", 0) < newest


def test_where_a_model_lies() -> None:
    assert source_uri("minio://bucket/a/b") == "s3://bucket/a/b"
    assert source_uri("s3://bucket/a") == "s3://bucket/a"
    assert source_uri("gs://bucket/a") == "gs://bucket/a"
    assert source_uri("https://me:password@host/a?token=abc") == "https://[hidden]@host/a?token=[hidden]"
    assert source_uri("/runs/국밥/model").startswith("file:///runs/")
    assert source_uri("model") == (Path.cwd() / "model").as_uri()


def test_a_folder_of_this_machine_goes_into_a_file_store_alone(
    uri: str, run: MlflowTracker, name: str, tmp_path: Path
) -> None:
    reason = reason_against(run, str(tmp_path))
    if uri.startswith("sqlite"):
        assert reason is None
        assert register(run, name, source=str(tmp_path)).source == tmp_path.as_uri()
        return
    assert reason is not None
    assert "store.url" in reason
    with pytest.raises(StoreError, match="Invalid model version source"):
        register(run, name, source=str(tmp_path))
    assert reason_against(run, SOURCE) is None


def test_a_name_that_mlflow_does_not_take_is_one_clear_error(run: MlflowTracker) -> None:
    with pytest.raises(StoreError, match="refuses"):
        register(run, "a/b")
