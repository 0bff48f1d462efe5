"""The champion's scores as weights of the next run, with a real SQLite registry of MLflow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gukbap.adapters.mlflow_registry import JUDGEMENTS, ModelRegistry
from gukbap.adapters.mlflow_tracker import open_run
from gukbap.cli.weakness import weakness
from gukbap.config import GenerateSettings, Recipe
from gukbap.errors import InputError, StoreError
from gukbap.files import write_json, write_jsonl
from gukbap.recipes import load_recipe, overridden
from gukbap.schemas import Judgement
from gukbap.stages.report import build_facts, scores_document
from gukbap.stages.report.evaluation import evaluate, protocol_notes
from gukbap.workers import context
from gukbap.workers.prepare import run_prepare
from gukbap.workers.weakness import settle_weakness
from tests.judgements import judgement
from tests.tracking_files import tracking_file

ON = ("generate.weakness.enabled=true", "generate.weakness.extra_rounds=1", "generate.seed_count=14")
PROGRESS = context.progress()


def judgements(strategy: str = "default", subject: str = "tuned") -> list[Judgement]:
    """Weak in math (category 1 of six) by more than chance; 42 questions."""
    return [
        judgement(question, turn, (1.0 if question % 6 == 1 else 8.0) + question % 5 / 4, subject, strategy)
        for question in range(42)
        for turn in (1, 2)
    ]


@pytest.fixture
def recipe() -> Recipe:
    return load_recipe("local", [*ON, "promote.registered_model=gukbap-weak"])


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry whose champion has the judgements from above."""
    folder = tmp_path_factory.mktemp("registry")
    uri = tracking_file(folder / "mlflow.db")
    opened = ModelRegistry(open_run("tests", "run-1", "run-1", uri), "gukbap-weak")
    number = opened.own_version("s3://bucket/model", {})
    write_jsonl(folder / JUDGEMENTS, judgements())
    opened.keep_judgements(number, folder / JUDGEMENTS, "null")
    assert opened.log.change("promotion", number, after=opened.log.settled())
    opened.log.settled()
    return uri


def test_the_weak_category_gets_more_and_the_recipe_alone_repeats_it(recipe: Recipe, registry: str) -> None:
    settled = settle_weakness(recipe, registry, PROGRESS)
    generate = settled.recipe.generate
    assert generate.category_weights["math"] == max(generate.category_weights.values()) > 1.5
    assert generate.category_rounds == {"math": generate.rounds + 1}
    assert "gukbap-weak version 1" in settled.why
    again = overridden(settled.recipe, [], where="the run's own recipe")
    assert again == settled.recipe
    assert settle_weakness(again, None, PROGRESS).recipe == again


@pytest.mark.parametrize(
    ("changes", "there", "why"),
    [
        ((), False, "no MLflow"),
        (("promote.registered_model=another",), True, "another has no champion yet"),
        (("promote.strategy=1-shot",), True, "no recorded judgements under the strategy 1-shot"),
    ],
)
def test_where_nothing_is_known_the_shares_are_even_and_that_is_said(
    recipe: Recipe, registry: str, changes: tuple[str, ...], there: bool, why: str
) -> None:
    changed = overridden(recipe, [*changes, "infer.strategies=[default, 1-shot]"], where="test")
    settled = settle_weakness(changed, registry if there else None, PROGRESS)
    assert settled.why.startswith("even shares: ")
    assert why in settled.why
    generate = settled.recipe.generate
    assert (generate.category_weights, generate.category_rounds) == ({}, {})
    assert not generate.weakness.enabled


def test_a_registry_that_cannot_be_asked_ends_the_run_before_it_pays(recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "broken.db").write_bytes(b"no database at all, whatever its name says")
    with pytest.raises(StoreError):
        settle_weakness(recipe, f"sqlite:///{tmp_path / 'broken.db'}", PROGRESS)


def test_prepare_hands_the_weights_to_the_steps_and_tells_them(
    recipe: Recipe, registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", registry)
    monkeypatch.setenv("GUKBAP_RUN_ID", "run-2")
    prepared = run_prepare(
        recipe, form={"rounds": 2}, freshness="reuse", images={}, summary=tmp_path / "plan.md"
    )
    given = GenerateSettings.model_validate_json(prepared.settings["generate"]).generate
    assert given.category_rounds == {"math": 3}
    assert given.category_weights["math"] > 1.5
    plan = (tmp_path / "plan.md").read_text(encoding="utf-8")
    assert "| category | score | error | shrunk | weight | rounds |" in plan
    assert "Categories: the scores of the champion, gukbap-weak version 1" in plan


def test_development_questions_go_before_the_champion_s_own(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "dev.jsonl"
    write_jsonl(file, judgements())
    changed = overridden(recipe, [f"generate.weakness.judgements={file}"], where="test")
    settled = settle_weakness(changed, None, PROGRESS)
    assert settled.recipe.generate.category_weights["math"] > 1.5
    notes = protocol_notes(build_facts(settled.recipe, statistics={}))
    assert any("was chosen by the scores of" in note for note in notes)
    assert not any("had a say in the data" in note for note in notes)


def test_development_judgements_of_two_models_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    file = tmp_path / "dev.jsonl"
    write_jsonl(file, [*judgements(subject="a"), *judgements(subject="b")])
    changed = overridden(recipe, [f"generate.weakness.judgements={file}"], where="test")
    with pytest.raises(InputError, match="a default, b default"):
        settle_weakness(changed, None, PROGRESS)


def test_a_report_says_that_the_test_had_a_say_in_the_data(recipe: Recipe, registry: str) -> None:
    settled = settle_weakness(recipe, registry, PROGRESS).recipe
    notes = protocol_notes(build_facts(settled, statistics={}))
    assert any("had a say in the data" in note for note in notes)
    assert not any("say in the data" in note for note in protocol_notes(build_facts(recipe, statistics={})))


@pytest.mark.parametrize("kind", ["folder", "scores.json", "judged file"])
def test_the_command_prints_values_that_a_recipe_takes(recipe: Recipe, tmp_path: Path, kind: str) -> None:
    facts = build_facts(recipe, statistics={})
    both = [*judgements(), *judgements(subject="base")]
    write_json(tmp_path / "scores.json", scores_document(facts, evaluate(facts, both, [])))
    write_jsonl(tmp_path / "judged.jsonl", judgements())
    source = {"folder": tmp_path, "scores.json": tmp_path / "scores.json"}.get(
        kind, tmp_path / "judged.jsonl"
    )

    def call(*options: str) -> str:
        given = [str(source), "--set", "generate.weakness.extra_rounds=1", *options]
        return CliRunner().invoke(weakness, given, catch_exceptions=False).stdout

    values: dict[str, Any] = json.loads(call("--json"))["generate"]
    assert values["category_weights"]["math"] > 1.5
    lines = [line for line in call().splitlines() if line.startswith("--set ")]
    overrides = [line.removeprefix("--set '").removesuffix("'") for line in lines]
    chosen = load_recipe("local", ["generate.seed_count=14", *overrides]).generate
    assert chosen.category_weights == values["category_weights"]
    assert chosen.category_rounds == values["category_rounds"] == {"math": chosen.rounds + 1}


def test_a_file_without_scores_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "scores.json", {"something": "else"})
    with pytest.raises(InputError, match="holds no score table"):
        CliRunner().invoke(weakness, [str(tmp_path)], catch_exceptions=False)
