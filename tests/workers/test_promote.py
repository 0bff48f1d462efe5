"""The promote step on files: with a real SQLite store of MLflow, and without any."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from gukbap.adapters.mlflow_promotions import PromotionLog
from gukbap.adapters.mlflow_tracker import open_run
from gukbap.config import JudgeSettings, PromoteSettings
from gukbap.errors import InputError
from gukbap.files import write_json, write_jsonl
from gukbap.recipes import load_recipe
from gukbap.schemas import Judgement
from gukbap.stages.evaluation_identity import EvaluationIdentity
from gukbap.stages.promote import Decision, decide
from gukbap.workers import promote as worker
from gukbap.workers import rejudge
from gukbap.workers.context import Outcome
from gukbap.workers.promote import run_promote
from tests.stages.score_documents import document, judged
from tests.tracking_files import tracking_file

BETTER, MIXED = [1.0, 2.0] * 6, [2.0, -2.0] * 6
MODEL = "minio://mlpipeline/v2/artifacts/gukbap/run-1/train/model"
IDENTITY = EvaluationIdentity(
    questions_sha256="q", strategies_sha256={"default": "s"}, rubric_sha256="r"
).model_dump(mode="json")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "GUKBAP_RUN_ID", "GUKBAP_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUKBAP_QUIET", "1")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return tracking_file(tmp_path_factory.mktemp("tracking") / "mlflow.db")


@pytest.fixture
def tracked(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    """The environment of a step whose run has the id of the test's folder."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("GUKBAP_RUN_ID", tmp_path.name)
    return MlflowClient(tracking_uri=store, registry_uri=store)


def settings(name: str, recipe: str = "local", **promote: Any) -> PromoteSettings:
    changes = [f"promote.{key}={value}" for key, value in promote.items()]
    return load_recipe(recipe, (f"promote.registered_model={name}", *changes)).promote_settings()


def promote(
    folder: Path,
    gains: Sequence[float],
    chosen: PromoteSettings,
    *,
    recipe: str = "local",
    again: bool = False,
    evaluation: dict[str, Any] | None = IDENTITY,
    **judging: Any,
) -> tuple[Outcome, dict[str, Any]]:
    """The step on the files of a run whose tuned student gains so many points on each question."""
    folder.mkdir(exist_ok=True)
    scores = {**document(gains, recipe=recipe), "evidence": {"evaluation": evaluation}}
    write_json(folder / "scores.json", scores)
    write_jsonl(folder / "judged.jsonl", judged(gains, **judging))
    decision = folder / "decision.json"
    outcome = run_promote(
        chosen,
        scores=folder / "scores.json",
        judgements=[folder / "judged.jsonl"],
        model_uri=MODEL,
        model_sha256="ab" * 32,
        decision=decision,
        again=again,
    )
    return outcome, json.loads(decision.read_text(encoding="utf-8"))


def run_after_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, runs: Sequence[Sequence[float]], **values: Any
) -> list[dict[str, Any]]:
    """The decisions on runs one after the other."""
    decisions = []
    for number, gains in enumerate(runs):
        monkeypatch.setenv("GUKBAP_RUN_ID", f"{folder.name}-{number}")
        decisions.append(promote(folder / str(number), gains, settings(name), **values)[1])
    return decisions


def aliases(client: MlflowClient, name: str) -> dict[str, int]:
    return {alias: int(one) for alias, one in client.get_registered_model(name).aliases.items()}


def test_without_mlflow_the_decision_is_written_and_says_that_nothing_was_registered(tmp_path: Path) -> None:
    outcome, decision = promote(tmp_path, BETTER, settings("unused"))
    assert (decision["verdict"], decision["against"]) == ("promoted", "base")
    assert decision["registered"] is None
    assert "MLFLOW_TRACKING_URI" in decision["not_registered"]
    assert outcome.metrics["low"] == decision["low"] > 0
    assert outcome.metrics["coverage"] == 1.0
    assert outcome.metadata == {"verdict": "promoted"}


def test_the_first_model_is_compared_with_its_base_and_becomes_the_champion(
    tracked: MlflowClient, tmp_path: Path
) -> None:
    name = f"model-{tmp_path.name}"
    outcome, decision = promote(tmp_path, BETTER, settings(name))
    assert (decision["against"], decision["champion_version"]) == ("base", None)
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
        "gukbap.decision": f"runs:/{version.run_id}/promotion/decision.json",
        "gukbap.judgements": f"runs:/{version.run_id}/promotion/judgements.jsonl",
    }
    assert {key: version.tags.get(key) for key in expected} == expected
    assert "lies above" in version.description
    assert "| licences | not known |" in version.description
    kept = {one.path for one in tracked.list_artifacts(version.run_id, "promotion")}
    assert kept == {f"promotion/{file}" for file in ("decision.json", "decision.md", "judgements.jsonl")}
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


def test_the_champion_changes_on_evidence_alone(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are better than their base; against the champion: like it, worse, better."""
    name = f"model-{tmp_path.name}"
    worse, better = [gain - 0.75 for gain in BETTER], [gain + 0.75 for gain in BETTER]
    decisions = run_after_run(tmp_path, monkeypatch, name, [BETTER, BETTER, worse, better])
    assert [one["verdict"] for one in decisions] == ["promoted", "held", "refused", "promoted"]
    assert [one["against"] for one in decisions[1:]] == ["champion (version 1)"] * 3
    assert [one["gain"] for one in decisions[1:]] == pytest.approx([0.0, -0.75, 0.75])
    assert aliases(tracked, name) == {"challenger": 4, "champion": 4, "previous": 1}
    log = PromotionLog(tracked, str(tracked.tracking_uri), name).settled()
    assert [(one.kind, one.version) for one in log.changes] == [("promotion", 1), ("promotion", 4)]


def test_another_rubric_or_judge_is_held_with_what_to_do(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"model-{tmp_path.name}"
    run_after_run(tmp_path, monkeypatch, name, [BETTER])
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-other")
    better = [gain + 2 for gain in BETTER]
    _, decision = promote(tmp_path / "other", better, settings(name), judge="another")
    assert decision["verdict"] == "held"
    assert "rejudge_champion" in decision["reasons"][0]
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-rubric")
    other = {**IDENTITY, "rubric_sha256": "another"}
    assert promote(tmp_path / "rubric", better, settings(name), evaluation=other)[1]["verdict"] == "held"
    assert aliases(tracked, name)["champion"] == 1


def test_a_champion_of_another_judge_is_judged_again_where_the_recipe_says_so(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The judging itself has tests of its own; here a double gives each stored answer 6 points."""
    name = f"model-{tmp_path.name}"
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-0")
    promote(tmp_path / "0", BETTER, settings(name), judge="another")

    def judge_again(_: JudgeSettings, judgements: Sequence[Judgement]) -> list[Judgement]:
        return [one.model_copy(update={"judge": "judge", "score": 6.0}) for one in judgements]

    monkeypatch.setattr(rejudge, "judge_again", judge_again)
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-1")
    _, decision = promote(tmp_path / "1", BETTER, settings(name, rejudge_champion="true"))
    assert (decision["verdict"], decision["gain"]) == ("promoted", pytest.approx(0.5))
    assert decision["against"] == "champion (version 1)"


def test_lost_judgements_of_the_champion_are_held_and_mended_by_its_own_run(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, better = f"model-{tmp_path.name}", [gain + 2 for gain in BETTER]
    run_after_run(tmp_path, monkeypatch, name, [BETTER])
    version = tracked.get_model_version_by_alias(name, "champion")
    for tag in ("gukbap.judgements", "gukbap.judgements_sha256"):
        tracked.delete_model_version_tag(name, version.version, tag)
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-1")
    _, held = promote(tmp_path / "1", better, settings(name))
    assert (held["verdict"], "gukbap promote" in held["reasons"][0]) == ("held", True)
    assert run_after_run(tmp_path, monkeypatch, name, [BETTER])[0]["registered"]["version"] == 1
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-1")
    assert promote(tmp_path / "1", better, settings(name))[1]["verdict"] == "held"
    assert promote(tmp_path / "1", better, settings(name), again=True)[1]["verdict"] == "promoted"
    assert aliases(tracked, name) == {"challenger": 2, "champion": 2, "previous": 1}


def test_a_run_that_was_overtaken_is_compared_with_the_new_champion(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are better than the champion and like each other; the other run promotes between our look at the
    champion and our promotion."""
    name, better = f"model-{tmp_path.name}", [gain + 1 for gain in BETTER]
    run_after_run(tmp_path, monkeypatch, name, [BETTER])
    others = iter(["other"])

    def overtaken(*args: Any, **kwargs: Any) -> Decision:
        made = decide(*args, **kwargs)
        if other := next(others, None):
            with monkeypatch.context() as at_once:
                at_once.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-{other}")
                assert promote(tmp_path / other, better, settings(name))[1]["verdict"] == "promoted"
        return made

    monkeypatch.setattr(worker, "decide", overtaken)
    monkeypatch.setenv("GUKBAP_RUN_ID", f"{tmp_path.name}-ours")
    _, ours = promote(tmp_path / "ours", better, settings(name))
    other = tracked.get_model_version_by_alias(name, "champion")
    assert other.tags["kfp.run_id"] == f"{tmp_path.name}-other"
    assert (ours["verdict"], ours["champion_version"]) == ("held", int(other.version))
    assert aliases(tracked, name)["previous"] == 1


def test_a_second_attempt_ends_with_the_same_decision(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    promote(tmp_path, BETTER, settings(name))
    first = (tmp_path / "decision.json").read_bytes()
    (tmp_path / "decision.json").unlink()
    promote(tmp_path, BETTER, settings(name))
    assert (tmp_path / "decision.json").read_bytes() == first
    assert len(tracked.search_model_versions(f"name = '{name}'")) == 1


def test_a_late_attempt_does_not_undo_a_rollback(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, runs = f"model-{tmp_path.name}", [BETTER, [gain + 1 for gain in BETTER]]
    run_after_run(tmp_path, monkeypatch, name, runs)
    log = PromotionLog(tracked, str(tracked.tracking_uri), name)
    assert log.change("rollback", 1, after=log.settled())
    assert run_after_run(tmp_path, monkeypatch, name, runs)[1]["verdict"] == "promoted"
    assert aliases(tracked, name)["champion"] == 1


def test_what_cannot_be_told_is_registered_as_challenger_alone(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    _, decision = promote(tmp_path, MIXED, settings(name))
    assert decision["verdict"] == "held"
    assert decision["registered"]["aliases"] == ["challenger"]
    assert aliases(tracked, name) == {"challenger": 1}


def test_a_scripted_run_is_never_registered(tracked: MlflowClient, tmp_path: Path) -> None:
    name = f"model-{tmp_path.name}"
    _, decision = promote(tmp_path, BETTER, settings(name, "smoke"), recipe="smoke")
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
    promote(tmp_path, BETTER, settings(name))
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
            judgements=[],
            model_uri=MODEL,
            model_sha256=None,
            decision=tmp_path / "decision.json",
        )
    assert caught.value.expected is not None
    assert not (tmp_path / "decision.json").exists()


#: a process of its own for each of MLflow's writes: it promotes a run and kills itself at that write
_KILLED = """
import json, multiprocessing, os, signal, sys
from pathlib import Path
from mlflow import MlflowClient
from gukbap.config import JudgeSettings, PromoteSettings
from gukbap.workers.promote import run_promote
folder, given = Path(sys.argv[1]), json.loads(sys.argv[2])
def attempt(run, chosen, method, left):
    original, calls = getattr(MlflowClient, method), iter(range(left))
    def counted(self, *args, **kwargs):
        if next(calls, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, *args, **kwargs)
    setattr(MlflowClient, method, counted)
    os.environ["GUKBAP_RUN_ID"] = run
    run_promote(
        PromoteSettings.model_validate_json(chosen), scores=folder / "scores.json",
        judgements=[folder / "judged.jsonl"], model_uri=given["model"], model_sha256=None,
        decision=folder / f"{run}.json",
    )
context = multiprocessing.get_context("fork")
for run, chosen, method, left in given["kills"]:
    child = context.Process(target=attempt, args=(run, chosen, method, left))
    child.start()
    child.join()
    print(child.exitcode)
"""
#: before the version; judgements; record; the log's entry; previous, champion, challenger; the last label
KILLS = [
    ("create_model_version", 0),
    ("log_artifact", 0),
    ("log_text", 0),
    ("log_text", 1),
    ("set_registered_model_alias", 0),
    ("set_registered_model_alias", 1),
    ("set_registered_model_alias", 2),
    ("update_model_version", 0),
]


@pytest.mark.slow
def test_killed_at_any_write_one_champion_stands_and_a_second_attempt_ends_the_same(
    tracked: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    better = [gain + 1 for gain in BETTER]
    names = [f"model-{tmp_path.name}-{number}" for number in range(len(KILLS))]
    for name in names:
        monkeypatch.setenv("GUKBAP_RUN_ID", f"{name}-first")
        promote(tmp_path / "first", BETTER, settings(name))
    folder = tmp_path / "second"
    folder.mkdir()
    write_json(folder / "scores.json", {**document(better), "evidence": {"evaluation": IDENTITY}})
    write_jsonl(folder / "judged.jsonl", judged(better))
    kills = [
        [f"{name}-second", settings(name).model_dump_json(), *kill]
        for name, kill in zip(names, KILLS, strict=True)
    ]
    given = json.dumps({"model": MODEL, "kills": kills})
    done = subprocess.run([sys.executable, "-c", _KILLED, str(folder), given], capture_output=True, text=True)
    assert done.stdout.split() == ["-9"] * len(KILLS), done.stderr
    for name in names:
        assert aliases(tracked, name)["champion"] in (1, 2)
        monkeypatch.setenv("GUKBAP_RUN_ID", f"{name}-second")
        _, decision = promote(tmp_path / name, better, settings(name))
        assert (decision["verdict"], decision["registered"]["version"]) == ("promoted", 2)
        assert aliases(tracked, name) == {"challenger": 2, "champion": 2, "previous": 1}
        log = PromotionLog(tracked, str(tracked.tracking_uri), name).settled()
        assert [(one.kind, one.version) for one in log.changes] == [("promotion", 1), ("promotion", 2)]
