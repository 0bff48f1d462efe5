"""`gukbap logickor import` as a user's shell calls it, and a run's questions from what it made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gukbap.cli.preflight import check_inputs
from gukbap.errors import InputError
from gukbap.recipes import load_recipe
from tests.benchmarks.logickor.upstream import SHA, below, checkout, jsonl, lines, zipped
from tests.command import gukbap


def test_import_tells_what_came_in_and_what_to_do_next(tmp_path: Path) -> None:
    (tmp_path / "up.zip").write_bytes(zipped(below(f"LogicKor-{SHA}")))
    done = gukbap("logickor", "import", "up.zip", "-o", "packs/logickor", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"commit      {SHA}" in done.stdout
    assert "questions   42 in 6 categories, 25 with references" in done.stdout
    assert "question 3 has 3 turns" in done.stderr
    assert "next: gukbap run RECIPE --set evaluate.pack=packs/logickor" in done.stderr
    again = gukbap("logickor", "import", "up.zip", "-o", "packs/logickor", "--json", cwd=tmp_path)
    values = json.loads(again.stdout)
    assert values["written"] is False
    assert values["path"] == str(tmp_path / "packs/logickor")
    assert (values["commit"], values["source"], values["name"]) == (SHA, "up.zip", "logickor")
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["up"], "Missing option '-o'"),
        (["-o", "pack"], "Missing argument 'SOURCE'"),
        (["none", "-o", "pack"], "there is no none"),
        (["owner/repo@main", "-o", "pack"], "not pinned"),
        (["short", "-o", "pack"], "41 questions, not 42"),
        (["up", "-o", "file.txt"], "is a file"),
        (["up", "-o", "file.txt/pack"], "file.txt/pack cannot be written"),
    ],
)
def test_a_wrong_import_is_one_clear_error(arguments: list[str], expected: str, tmp_path: Path) -> None:
    up = checkout(tmp_path / "up")
    short = checkout(tmp_path / "short")
    (short / "questions.jsonl").write_bytes(jsonl(lines()[:-1]))
    (tmp_path / "file.txt").write_text("words")
    done = gukbap("logickor", "import", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.txt", short.name, up.name]


def test_any_size_and_force(tmp_path: Path) -> None:
    up = checkout(tmp_path / "up")
    assert gukbap("logickor", "import", "up", "-o", "pack", cwd=tmp_path).returncode == 0
    (up / "questions.jsonl").write_bytes(jsonl(lines()[:5]))
    refused = gukbap("logickor", "import", "up", "-o", "pack", "--any-size", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--force" in refused.stderr
    done = gukbap("logickor", "import", "up", "-o", "pack", "--any-size", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "name        logickor-shaped" in done.stdout


def test_a_recipe_takes_the_pack(tmp_path: Path) -> None:
    checkout(tmp_path / "up")
    assert gukbap("logickor", "import", "up", "-o", "pack", cwd=tmp_path).returncode == 0
    recipe = load_recipe("smoke", [f"evaluate.pack={tmp_path / 'pack'}"])
    assert recipe.evaluate.strategies_file is None
    check_inputs(recipe)
    (tmp_path / "pack/strategies.json").write_text("{}")
    with pytest.raises(InputError, match=r"strategies\.json was changed"):
        check_inputs(recipe)
