from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from gukbap.adapters.stores import artifact_is_there
from gukbap.config import InferSettings, Recipe, StoreConfig, TrainSettings
from gukbap.errors import ConfigError, StoreError
from gukbap.handover import RUN_ID, SHARED_DIR, WORK_DIR
from gukbap.recipes import load_recipe
from gukbap.workers.context import Outcome, lasting_folder
from gukbap.workers.outputs import LEDGER, hand_over
from gukbap.workers.prepare import Prepared, run_prepare
from tests.servers import seaweed_s3

SMOKE = load_recipe("smoke", ["tracking.enabled=false"])
IMAGES = {"cpu": "gukbap/gukbap-cpu:1"}


class Recorded:
    """A Metrics artifact as a component gets it."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "metrics")
        self.values: dict[str, float] = {}

    def log_metric(self, metric: str, value: float) -> None:
        self.values[metric] = value


class Artifact:
    """An output artifact as a component gets it."""

    def __init__(self, path: Path) -> None:
        self.path = self.uri = str(path)
        self.metadata: dict[str, Any] = {}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The environment of a pod: a claim that all runs share, and a run's id."""
    monkeypatch.delenv(WORK_DIR, raising=False)
    monkeypatch.setenv(SHARED_DIR, str(tmp_path / "claim"))
    monkeypatch.setenv(RUN_ID, "run-1")
    return tmp_path / "claim"


def prepare(folder: Path, recipe: Recipe = SMOKE, freshness: str = "reuse", **form: Any) -> Prepared:
    return run_prepare(recipe, form=form, freshness=freshness, images=IMAGES, summary=folder / "plan.md")


def test_settings_are_the_recipes_own_where_the_form_is_left_alone(tmp_path: Path) -> None:
    given = prepare(tmp_path).parameters()
    assert Recipe.model_validate_json(given.recipe) == SMOKE
    assert TrainSettings.model_validate_json(given.train) == SMOKE.train_settings()
    assert InferSettings.model_validate_json(given.infer_tuned) == SMOKE.infer_settings("tuned")
    assert (given.train_gpus, given.infer_gpus) == ("0", "0")


def test_the_forms_values_reach_the_steps_and_are_told(tmp_path: Path) -> None:
    given = prepare(tmp_path, epochs=3, learning_rate=0.5).parameters()
    settings = TrainSettings.model_validate_json(given.train)
    assert (settings.train.epochs, settings.train.learning_rate) == (3, 0.5)
    plan = (tmp_path / "plan.md").read_text(encoding="utf-8")
    assert "| epochs | 1 | 3 |" in plan
    assert "| seed |" not in plan


def test_a_strategy_that_is_not_asked_has_no_settings(tmp_path: Path) -> None:
    given = prepare(tmp_path, strategies=["default"]).parameters()
    assert given.judge_base_1_shot == given.judge_tuned_cot_1_shot == ""
    assert given.judge_tuned_default
    assert InferSettings.model_validate_json(given.infer_base).strategies == ["default"]


def test_a_subject_that_the_recipe_leaves_out_has_no_settings(tmp_path: Path) -> None:
    recipe = load_recipe("smoke", ["infer.subjects=[tuned]", "tracking.enabled=false"])
    given = prepare(tmp_path, recipe).parameters()
    assert given.infer_base == given.judge_base_default == ""
    assert given.infer_tuned


def test_a_strategy_that_was_not_compiled_is_refused(tmp_path: Path) -> None:
    recipe = load_recipe("smoke", ["infer.strategies=[default]", "tracking.enabled=false"])
    with pytest.raises(ConfigError, match="1-shot are not in this pipeline"):
        prepare(tmp_path, recipe, strategies=["default", "1-shot"])


def test_an_unknown_freshness_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="sometimes"):
        prepare(tmp_path, freshness="sometimes")


def test_without_a_claim_no_step_has_an_edition_unless_new_data_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(RUN_ID, "run-7")
    assert json.loads(prepare(tmp_path).settings["generate"])["edition"] == ""
    fresh = prepare(tmp_path, freshness="always")
    assert json.loads(fresh.settings["generate"])["edition"].endswith(".run-7")


def test_the_work_folder_of_a_pod_lies_on_the_claim_under_the_runs_id(cluster: Path) -> None:
    assert lasting_folder() == cluster / "runs" / "run-1"


def test_a_lost_artifact_is_found_out_and_its_step_made_again(cluster: Path, tmp_path: Path) -> None:
    artifact = Artifact(tmp_path / "rows.jsonl")
    Path(artifact.path).write_text('{"a": 1}\n{"a": 2}\n')
    settings = SMOKE.generate_settings()
    first = json.loads(prepare(tmp_path).settings["generate"])["edition"]
    metrics = Recorded(tmp_path)
    hand_over(
        Outcome({"rows": 2}, {"teacher": "t"}),
        settings.model_copy(update={"edition": first}),
        metrics,
        rows=artifact,
    )
    assert metrics.values == {"rows": 2.0}
    assert (artifact.metadata["rows"], artifact.metadata["teacher"]) == (2, "t")
    assert {"sha256", "bytes", "gukbap_version", "settings_sha256"} <= set(artifact.metadata)
    assert len(list((cluster / LEDGER).iterdir())) == 1

    again = prepare(tmp_path)
    assert json.loads(again.settings["generate"])["edition"] == first
    assert again.outcome.metrics["steps.known"] == 1
    Path(artifact.path).unlink()
    rebuilt = prepare(tmp_path)
    assert json.loads(rebuilt.settings["generate"])["edition"] == f"{first}.run-1"
    assert rebuilt.outcome.metrics["steps.gone"] == 1
    assert "generate | runs again: an artifact made before is gone" in (tmp_path / "plan.md").read_text()


@pytest.mark.s3
def test_artifacts_are_looked_for_in_a_real_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    config = StoreConfig()
    with seaweed_s3() as server:
        monkeypatch.setenv("MINIO_ENDPOINT", server.endpoint)
        monkeypatch.setenv("MINIO_ACCESS_KEY", server.access_key)
        monkeypatch.setenv("MINIO_SECRET_KEY", server.secret_key)
        client = Minio(
            server.endpoint.removeprefix("http://"), server.access_key, server.secret_key, secure=False
        )
        client.make_bucket("mlpipeline")
        for key in ("v2/rows", "v2/model/config.json"):
            client.put_object("mlpipeline", key, io.BytesIO(b"{}"), 2)
        assert artifact_is_there("minio://mlpipeline/v2/rows", config)
        assert artifact_is_there("s3://mlpipeline/v2/model", config)
        assert not artifact_is_there("minio://mlpipeline/v2/ro", config)
        assert not artifact_is_there("minio://mlpipeline/v2/gone", config)
        assert not artifact_is_there("minio://no-such-bucket/v2/rows", config)
        monkeypatch.setenv("MINIO_SECRET_KEY", "wrong")
        with pytest.raises(StoreError, match="refuses the keys"):
            artifact_is_there("minio://mlpipeline/v2/rows", config)


def test_a_store_that_cannot_be_asked_costs_no_second_data_set(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MINIO_ENDPOINT", raising=False)
    artifact = Artifact(tmp_path / "rows.jsonl")
    Path(artifact.path).write_text("{}\n")
    artifact.uri = "minio://mlpipeline/v2/rows"
    first = json.loads(prepare(tmp_path).settings["generate"])["edition"]
    settings = SMOKE.generate_settings().model_copy(update={"edition": first})
    hand_over(Outcome({}), settings, Recorded(tmp_path), rows=artifact)
    assert prepare(tmp_path).outcome.metrics["steps.known"] == 1
    assert "cannot look for minio://mlpipeline/v2/rows" in capsys.readouterr().err


def test_with_data_that_grow_generation_looks_for_new_seeds_in_each_run(
    cluster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in the settings tells that there are more files under the seeds' prefix."""
    growing = load_recipe("smoke", ["tracking.enabled=false", f"data.store={tmp_path.as_uri()}"])
    editions = []
    for run in ("run-1", "run-1", "run-2"):
        monkeypatch.setenv(RUN_ID, run)
        editions.append(json.loads(prepare(tmp_path, growing).settings["generate"])["edition"])
    assert editions[0] == editions[1] != editions[2]
