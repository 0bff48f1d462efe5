"""`gukbap card` on folders of runs: finished ones, unfinished ones, and none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gukbap.cli.card import card, card_of
from gukbap.errors import InputError, UsageError
from gukbap.files import folder_fingerprint, read_json, write_json, write_jsonl, write_text
from gukbap.recipes import load_recipe
from gukbap.runners.run_folder import RunFolder
from gukbap.schemas import SUBJECTS
from gukbap.workers.stages import run_report
from tests.stages.report import samples


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A folder with the files of a run that has ended; its model and numbers are made up."""
    folder = RunFolder.create(
        tmp_path_factory.mktemp("runs"), load_recipe("local", ["train.epochs=2"]), "done"
    )
    known = {**samples.statistics(), "infer-base": {"answers": 12}, "infer-tuned": {"answers": 12}}
    steps = ("generate", "clean", "dedup", "split", "train", "infer-base", "infer-tuned")
    statistics = {step: folder.place(step, "statistics") for step in steps}
    for step, path in statistics.items():
        write_json(path, known[step])
    judged = {}
    for subject in SUBJECTS:
        judged[subject] = folder.place(f"judge-{subject}-default", "judgements")
        write_jsonl(judged[subject], samples.judgements([subject], ["default"]))
    rows, model = folder.place("split", "train"), folder.place("train", "model")
    write_jsonl(rows, samples.rows())
    write_json(model / "config.json", {"model_type": "none"})
    run_report(
        folder.recipe,
        judgements=list(judged.values()),
        statistics=statistics,
        rows=rows,
        model_sha256=folder_fingerprint(model),
        html=folder.place("report", "html"),
        markdown=folder.place("report", "markdown"),
        model_card=folder.place("report", "model_card"),
        data_card=folder.place("report", "data_card"),
        scores=folder.place("report", "scores"),
    )
    return folder


def _call(*arguments: object) -> Result:
    return CliRunner().invoke(card, [str(one) for one in arguments], catch_exceptions=False)


@pytest.mark.parametrize("named", [lambda folder: folder.path, lambda folder: folder.id])
def test_the_card_is_the_report_step_s(finished: RunFolder, named: Callable[[RunFolder], object]) -> None:
    result = _call(named(finished), "--runs", finished.path.parent)
    assert result.stdout == (finished.path / "model_card.md").read_text(encoding="utf-8")


def test_every_fact_is_of_the_run_s_files(finished: RunFolder) -> None:
    text = card_of(finished)
    scores = read_json(finished.path / "scores.json")
    overall = scores["scores"]["tuned"]["default"]["overall"]
    assert f"| {overall:.2f} |" in text
    assert f"value: {overall:.4f}".rstrip("0") in text
    assert read_json(finished.path / "run.json")["recipe_hash"] in text
    assert folder_fingerprint(finished.path / "model") in text
    assert "license: gemma" in text
    assert "| epochs | 2 |" in text


def test_a_card_inside_the_model_does_not_change_the_model_s_hash(finished: RunFolder) -> None:
    target = finished.path / "model" / "README.md"
    first = _call(finished.path, "-o", target)
    assert first.stdout == ""
    text = target.read_text(encoding="utf-8")
    try:
        assert card_of(finished) == text
    finally:
        target.unlink()


def test_what_made_the_run_is_told_and_not_what_reads_it(
    finished: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gukbap.stages.report.facts.__version__", "99.0")
    assert "99.0" not in card_of(finished)


def test_baselines_can_be_added(finished: RunFolder, tmp_path: Path) -> None:
    path = tmp_path / "elsewhere" / "tuned.jsonl"
    write_jsonl(path, samples.judgements(["tuned"], ["default"]))
    text = _call(finished.path, "--baseline", path).stdout
    assert "| elsewhere tuned (imported; judge judge-model) | default |" in text
    assert "default: tuned minus elsewhere tuned is +0.00" in text


@pytest.mark.parametrize(
    ("step", "output", "named"),
    [
        ("train", "statistics", "statistics/train.json"),
        ("judge-tuned-default", "judgements", "judgements/tuned-default.jsonl"),
        ("report", "scores", "scores.json"),
    ],
)
def test_a_missing_file_is_named(finished: RunFolder, step: str, output: str, named: str) -> None:
    path = finished.place(step, output)
    kept = path.read_text(encoding="utf-8")
    path.unlink()
    try:
        with pytest.raises(InputError, match=f"it lacks {named}") as raised:
            card_of(finished)
        assert "gukbap run --resume done" in str(raised.value)
    finally:
        write_text(path, kept)


def test_an_unfinished_run_is_told_with_what_it_lacks_and_how_to_go_on(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, load_recipe("smoke", ()), "half")
    with pytest.raises(InputError) as raised:
        card_of(folder)
    assert "statistics/train.json" in str(raised.value)
    assert "gukbap run --resume half" in str(raised.value)


def test_a_run_that_does_not_exist_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run"):
        RunFolder.open(tmp_path, "nowhere")
