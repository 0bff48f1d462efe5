"""MLflow's model registry on a real server and a real SQLite file: versions, labels and judgements."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_registry import ModelRegistry, Registered, reason_against, source_uri
from gukbap.adapters.mlflow_tracker import MlflowTracker, open_run
from gukbap.errors import StoreError

SOURCE = "minio://mlpipeline/v2/artifacts/gukbap/run/train/model"


@pytest.fixture
def name() -> str:
    return f"gukbap's {uuid.uuid4()}"


def a_run(uri: str) -> MlflowTracker:
    return open_run("tests", f"run-{uuid.uuid4()}", "a run", uri)


def register(run: MlflowTracker, name: str, verdict: str = "held", source: str = SOURCE) -> Registered:
    registry = ModelRegistry(run, name)
    return registry.settle(registry.own_version(source, {"kfp.run_id": "run"}), verdict, "why")


def versions(uri: str, name: str) -> list[Any]:
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    found = [version for version in client.search_model_versions() if version.name == name]
    return sorted(found, key=lambda version: int(version.version))


def test_a_version_holds_the_weights_uri_its_run_and_its_tags(
    uri: str, run: MlflowTracker, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    registry = ModelRegistry(run, name)
    tags = {"kfp.run_id": "run-1", "gukbap.model_sha256": "ab", "api_token": "secret-in-a-tag"}
    number = registry.own_version(SOURCE, tags)
    assert registry.verdict_of(number) is None
    registered = registry.settle(number, "held", "held: nothing can be told")
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
    assert registry.verdict_of(number) == "held"
    assert MlflowClient(tracking_uri=uri).list_artifacts(run.run_id) == []
    assert capfd.readouterr().out == ""


def test_the_challenger_is_the_newest_version(uri: str, name: str) -> None:
    first, second = a_run(uri), a_run(uri)
    assert register(first, name, "promoted").aliases == ("challenger",)
    assert register(second, name, "refused").aliases == ("challenger",)
    assert register(first, name, "promoted") == Registered(name, 1, source_uri(SOURCE), ())
    assert [int(version.version) for version in versions(uri, name)] == [1, 2]


def test_another_model_of_the_same_run_is_another_version(uri: str, run: MlflowTracker, name: str) -> None:
    assert register(run, name).version == 1
    assert register(run, name, source="s3://bucket/other").version == 2


def test_judgements_come_back_as_they_were_kept(
    uri: str, run: MlflowTracker, name: str, tmp_path: Path
) -> None:
    registry = ModelRegistry(run, name)
    number = registry.own_version(SOURCE, {})
    fetched, kept = tmp_path / "fetched", tmp_path / "judgements.jsonl"
    assert registry.judgements_of(number, fetched) is None
    kept.write_text("국밥\n", encoding="utf-8")
    registry.keep_judgements(number, kept, '{"rubric_sha256":"r"}')
    other = ModelRegistry(a_run(uri), name)
    assert other.judgements_of(number, fetched) == '{"rubric_sha256":"r"}'
    assert fetched.read_bytes() == kept.read_bytes()
    # Somebody has put other judgements in their place: they are not those that were recorded.
    MlflowClient(tracking_uri=uri).log_text(run.run_id, "비빔밥\n", "promotion/judgements.jsonl")
    assert other.judgements_of(number, fetched) is None


def test_a_record_is_kept_with_the_run_and_found_from_the_version(
    uri: str, run: MlflowTracker, name: str
) -> None:
    registry = ModelRegistry(run, name)
    number = registry.own_version(SOURCE, {})
    assert registry.recorded() is None
    registry.record(number, '{"verdict": "held"}', "# held")
    assert registry.recorded() == '{"verdict": "held"}'
    (version,) = versions(uri, name)
    assert version.tags["gukbap.decision"] == f"runs:/{run.run_id}/promotion/decision.json"
    assert ModelRegistry(a_run(uri), name).recorded() is None


#: eight processes at one moment; half of them are attempts of one run, the others runs of their own
_EIGHT = """
import multiprocessing, sys, mlflow
from gukbap.adapters.mlflow_registry import ModelRegistry
from gukbap.adapters.mlflow_tracker import open_run
uri, name = sys.argv[1:]
context = multiprocessing.get_context("fork")
start = context.Barrier(8)
def attempt(number):
    run = open_run("tests", name if number < 4 else f"{name} {number}", "a run", uri)
    start.wait(300)
    registry = ModelRegistry(run, name)
    registry.settle(registry.own_version("s3://b/model", {}), "held", "")
children = [context.Process(target=attempt, args=(number,)) for number in range(8)]
for child in children:
    child.start()
for child in children:
    child.join()
raise SystemExit(any(child.exitcode for child in children))
"""


@pytest.mark.slow
def test_attempts_at_one_moment_make_one_version_a_run(uri: str) -> None:
    name = f"new-{uuid.uuid4()}"
    done = subprocess.run([sys.executable, "-c", _EIGHT, uri, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = versions(uri, name)
    assert len(found) == len({version.run_id for version in found}) == 5
    aliases = MlflowClient(tracking_uri=uri, registry_uri=uri).get_registered_model(name).aliases
    assert {alias: int(number) for alias, number in aliases.items()} == {"challenger": int(found[-1].version)}


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
