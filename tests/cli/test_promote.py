"""`gukbap promote` and `rollback` on a finished run's folder, and `compare --mlflow` and `baselines import`,
all through one real SQLite store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from mlflow import MlflowClient

from gukbap.adapters.mlflow_tracker import open_run
from gukbap.cli.baselines import baselines
from gukbap.cli.compare import compare
from gukbap.cli.promote import promote
from gukbap.cli.rollback import rollback
from gukbap.errors import InputError, UsageError
from gukbap.files import folder_fingerprint, write_json, write_jsonl
from gukbap.recipes import load_recipe
from gukbap.runners.run_folder import RunFolder
from gukbap.workers.stages import run_report
from tests.stages.report import samples
from tests.stages.score_documents import judged


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "GUKBAP_RUN_ID", "GUKBAP_WORK_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GUKBAP_QUIET", "1")


def finished(runs: Path, name: str, gains: Sequence[float], monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A folder with the files of a run that has ended, reported and tracked; its model is none."""
    folder = RunFolder.create(runs, load_recipe("local"), name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(runs))
    monkeypatch.setenv("GUKBAP_RUN_ID", name)
    statistics = {step: folder.place(step, "statistics") for step in ("generate", "train")}
    for step, path in statistics.items():
        write_json(path, samples.statistics()[step])
    file = folder.place("judge-tuned-default", "judgements")
    write_jsonl(file, judged(gains))
    rows, model = folder.place("split", "train"), folder.place("train", "model")
    write_jsonl(rows, samples.rows())
    write_json(model / "config.json", {"model_type": "none"})
    run_report(
        folder.recipe,
        judgements=[file],
        statistics=statistics,
        rows=rows,
        model_sha256=folder_fingerprint(model),
        html=folder.place("report", "html"),
        markdown=folder.place("report", "markdown"),
        model_card=folder.place("report", "model_card"),
        data_card=folder.place("report", "data_card"),
        scores=folder.place("report", "scores"),
    )
    client = MlflowClient(tracking_uri=store(runs))
    tracked = open_run("gukbap", name, name, store(runs))
    client.set_tag(tracked.run_id, "gukbap.recipe", "local")
    tracked.finish()
    for variable in ("MLFLOW_TRACKING_URI", "GUKBAP_RUN_ID"):
        monkeypatch.delenv(variable)
    return folder


def store(runs: Path) -> str:
    return f"sqlite:///{runs / 'mlflow.sqlite3'}"


def called(command: Any, *arguments: str, runs: Path) -> Result:
    return CliRunner().invoke(command, [*arguments, "--runs", str(runs)], catch_exceptions=False)


@pytest.mark.slow
def test_runs_are_promoted_compared_and_rolled_back_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="there is no MLflow"):
        called(rollback, runs=tmp_path)
    finished(tmp_path, "first", [1.0, 2.0] * 6, monkeypatch)
    second = finished(tmp_path, "second", [3.0, 4.0] * 6, monkeypatch)

    made = called(promote, "first", runs=tmp_path)
    assert made.output.startswith("# gukbap-local version 1: promoted")
    assert "| compared with | base |" in made.output
    facts = json.loads(called(promote, str(second.path), "--json", runs=tmp_path).output)
    assert (facts["verdict"], facts["against"]) == ("promoted", "champion (version 1)")
    assert facts["registered"]["aliases"] == ["challenger", "champion"]
    known = {check["name"]: check["verdict"] for check in facts["checks"]}
    assert (known["licences"], known["contamination"]) == ("passed", "not known")

    table = called(compare, "--mlflow", "first", "second", runs=tmp_path).output
    assert [line.split()[1:] for line in table.splitlines() if line.startswith("score.default ")] == [
        ["6.5", "8.5"]
    ]
    assert "gukbap-local/2" in table
    with pytest.raises(InputError, match="no run 'third'"):
        called(compare, "--mlflow", "first", "third", runs=tmp_path)

    back = called(rollback, "gukbap-local", runs=tmp_path)
    assert "champion is version 1 (was 2)" in back.output
    assert "champion stays version 1" in called(rollback, runs=tmp_path).output
    assert json.loads(called(rollback, "--to", "2", "--json", runs=tmp_path).output)["after"] == 2

    # The second run's report stands beside the first's.
    text = (second.path / "report.md").read_text(encoding="utf-8")
    assert "## Against the last run" in text and "| score.default | 6.5 | 8.5 | 1 |" in text
    client = MlflowClient(tracking_uri=store(tmp_path))
    tags = client.get_run(open_run("gukbap", "second", "", store(tmp_path)).run_id).data.tags
    assert tags["gukbap.health"].startswith("changed by a step: score.")


def test_a_run_that_is_not_finished_is_one_clear_error(tmp_path: Path) -> None:
    RunFolder.create(tmp_path, load_recipe("local"), "open")
    with pytest.raises(InputError, match=r"it lacks scores\.json, model, judgements"):
        called(promote, "open", runs=tmp_path)


def test_baselines_are_imported_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store(tmp_path))
    file = tmp_path / "judged.jsonl"
    write_jsonl(file, [one.model_copy(update={"subject": "a model"}) for one in judged([1.0] * 42)[:84]])
    first, second = (
        json.loads(called(baselines, "import", str(file), "--json", runs=tmp_path).output) for _ in "12"
    )
    assert [one["known"] for one in (*first, *second)] == [False, True]
    assert first[0]["run_id"] == second[0]["run_id"]
    run = MlflowClient(tracking_uri=store(tmp_path)).get_run(first[0]["run_id"])
    assert (run.data.tags["gukbap.baseline"], run.info.status) == ("a model", "FINISHED")
    assert run.data.metrics["score.default"] == 5.0
    table = called(compare, "--mlflow", "a model", first[0]["run_id"], runs=tmp_path).output
    assert "gukbap.baseline" in table


def test_two_paths_are_needed_without_mlflow(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 things"):
        called(compare, "one", runs=tmp_path)
    with pytest.raises(UsageError, match="--mlflow"):
        called(compare, "one", "two", runs=tmp_path)
