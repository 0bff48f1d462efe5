"""The promote step on files, with a real SQLite store of MLflow and without any."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_tracker import open_run
from gukbap.config import PromoteSettings
from gukbap.errors import InputError
from gukbap.files import write_json
from gukbap.recipes import load_recipe
from gukbap.workers.context import Outcome
from gukbap.workers.promote import run_promote
from tests.stages.score_documents import document

BETTER, MIXED = [1.0, 2.0] * 6, [2.0, -2.0] * 6
MODEL = "minio://mlpipeline/v2/artifacts/gukbap/run-1/train/model"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "GUKBAP_RUN_ID", "GUKBAP_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUKBAP_QUIET", "1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('tracking') / 'mlflow.db'}"


@pytest.fixture
def tracked(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The environment of a step whose run has the id of the test's folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("GUKBAP_RUN_ID", tmp_path.name)
    return MlflowClient(tracking_uri=store, registry_uri=store)


def settings(name: str, recipe: str = "local") -> PromoteSettings:
    return load_recipe(recipe, (f"promote.registered_model={name}",)).promote_settings()


def promote(folder: Path, scores: dict[str, Any], chosen: PromoteSettings) -> tuple[Outcome, dict[str, Any]]:
    write_json(folder / "scores.json", scores)
    decision = folder / "decision.json"
    outcome = run_promote(
        chosen, scores=folder / "scores.json", model_uri=MODEL, model_sha256="ab" * 32, decision=decision
    )
    return outcome, json.loads(decision.read_text(encoding="utf-8"))


def test_without_mlflow_the_decision_is_written_and_says_that_nothing_was_registered(tmp_path: Path) -> None:
    outcome, decision = promote(tmp_path, document(BETTER), settings("unused"))
    assert decision["verdict"] == "promoted"
    assert decision["registered"] is None
    assert "MLFLOW_TRACKING_URI" in decision["not_registered"]
    assert outcome.metrics["low"] == decision["low"] > 0
    assert outcome.metrics["coverage"] == 1.0
    assert outcome.metadata == {"verdict": "promoted"}


def test_a_promoted_model_becomes_the_champion(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    outcome, decision = promote(tmp_path, document(BETTER), settings(name))
    assert decision["registered"] == {
        "model": name,
        "version": 1,
        "source": "s3://mlpipeline/v2/artifacts/gukbap/run-1/train/model",
        "aliases": ["challenger", "champion"],
    }
    assert decision["not_registered"] is None
    version = tracked.get_model_version_by_alias(name, "champion")
    recipe = load_recipe("local")
    expected = {
        "kfp.run_id": tmp_path.name,
        "gukbap.recipe": "local",
        "gukbap.recipe_hash": recipe.hash,
        "gukbap.model_sha256": "ab" * 32,
        "gukbap.verdict": "promoted",
    }
    assert {key: version.tags.get(key) for key in expected} == expected
    assert "lies above" in version.description
    parent = tracked.get_run(version.run_id)
    assert parent.data.tags["kfp.run_id"] == tmp_path.name
    assert parent.data.tags["gukbap.verdict"] == "promoted"
    assert parent.data.tags["gukbap.registered_model"] == f"{name}/1"
    (step,) = tracked.search_runs(
        [parent.info.experiment_id], f'tags.`mlflow.parentRunId` = "{version.run_id}"'
    )
    assert (step.info.run_name, step.info.status) == ("promote", "FINISHED")
    assert step.data.metrics["low"] == outcome.metrics["low"]
    assert parent.info.status == "RUNNING"


def test_a_second_attempt_ends_with_the_same_decision(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    promote(tmp_path, document(BETTER), settings(name))
    first = (tmp_path / "decision.json").read_bytes()
    (tmp_path / "decision.json").unlink()
    promote(tmp_path, document(BETTER), settings(name))
    assert (tmp_path / "decision.json").read_bytes() == first
    assert len(tracked.search_model_versions(f"name = '{name}'")) == 1


_KILLED = """
import os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from gukbap.config import PromoteSettings
from gukbap.workers.promote import run_promote
def killed(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
MlflowClient.set_registered_model_alias = killed
folder = Path(sys.argv[1])
run_promote(
    PromoteSettings.model_validate_json(sys.argv[2]), scores=folder / "scores.json", model_uri=sys.argv[3],
    model_sha256=None, decision=folder / "decision.json",
)
"""


def test_killed_between_version_and_alias_the_step_goes_on(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    write_json(tmp_path / "scores.json", document(BETTER))
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path), settings(name).model_dump_json(), MODEL],
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9, done.stderr
    assert not (tmp_path / "decision.json").exists()
    (left,) = tracked.search_model_versions(f"name = '{name}'")
    _, decision = promote(tmp_path, document(BETTER), settings(name))
    assert decision["registered"]["version"] == int(left.version) == 1
    assert decision["registered"]["aliases"] == ["challenger", "champion"]
    runs = tracked.search_runs([tracked.get_run(left.run_id).info.experiment_id])
    names = [
        run.data.tags["gukbap.stage"]
        for run in runs
        if run.data.tags.get("mlflow.parentRunId") == left.run_id
    ]
    assert names == ["promote"]


def test_what_cannot_be_told_is_registered_as_challenger_alone(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    _, decision = promote(tmp_path, document(MIXED), settings(name))
    assert decision["verdict"] == "held"
    assert decision["registered"]["aliases"] == ["challenger"]
    assert tracked.get_registered_model(name).aliases == {"challenger": 1}


def test_a_scripted_run_is_never_registered(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    _, decision = promote(tmp_path, document(BETTER, recipe="smoke"), settings(name, "smoke"))
    assert decision["verdict"] == "refused"
    assert decision["registered"] is None
    assert "scripted" in decision["not_registered"]
    assert tracked.search_registered_models(f"name = '{name}'") == []


def test_under_the_plugin_the_version_belongs_to_the_run_at_the_top(
    tracked: MlflowClient, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = open_run("gukbap", "another", "another", store).experiment_id
    top = tracked.create_run(experiment, tags={"kfp.pipeline_run_id": tmp_path.name}).info.run_id
    task = tracked.create_run(experiment, tags={"mlflow.parentRunId": top}, run_name="promote").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", task)
    name = f"model-{tmp_path.name}"
    promote(tmp_path, document(BETTER), settings(name))
    (version,) = tracked.search_model_versions(f"name = '{name}'")
    assert version.run_id == top
    assert tracked.get_run(task).data.metrics["gain"] == pytest.approx(1.5)
    assert [tracked.get_run(run).info.status for run in (top, task)] == ["RUNNING", "RUNNING"]


@pytest.mark.parametrize("content", ["", "{}", '{"scripted": false}', "[]"])
def test_what_is_no_scores_file_is_one_clear_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "scores.json").write_text(content)
    with pytest.raises(InputError) as caught:
        run_promote(
            settings("unused"),
            scores=tmp_path / "scores.json",
            model_uri=MODEL,
            model_sha256=None,
            decision=tmp_path / "decision.json",
        )
    assert caught.value.expected is not None
    assert not (tmp_path / "decision.json").exists()
