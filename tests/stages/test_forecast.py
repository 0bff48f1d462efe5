"""The forecast, held against what a run really sends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gukbap.files import read_json
from gukbap.recipes import load_recipe
from gukbap.runners.run_folder import RunFolder
from gukbap.stages.forecast import forecast
from gukbap.stages.generate import load_seeds
from tests.command import gukbap

RECIPE = ("smoke", "--set", "tracking.enabled=false", "--set", "infer.strategies=[default, 1-shot]")


@pytest.mark.slow
def test_a_run_stays_within_its_forecast(tmp_path: Path) -> None:
    planned = gukbap("plan", *RECIPE, "--json", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    stages = {stage["stage"]: stage for stage in json.loads(planned.stdout)["stages"]}
    done = gukbap("run", *RECIPE, "--run-id", "r", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path / "runs/r")
    generate = read_json(folder.place("generate", "statistics"))
    told = stages["generate"]
    assert told["least"] <= generate["calls_sent"] <= told["most"]["requests"]
    assert 0 < generate["prompt_tokens"] <= told["most"]["prompt_tokens"]
    assert 0 < generate["completion_tokens"] <= told["most"]["completion_tokens"]
    judged = [
        read_json(folder.place(f"judge-{subject}-{strategy}", "statistics"))["timing"]["calls_sent"]
        for subject in ("base", "tuned")
        for strategy in ("default", "1-shot")
    ]
    assert stages["judge"]["least"] <= sum(judged) <= stages["judge"]["most"]["requests"]
    assert stages["infer"]["least"] == stages["infer"]["most"]["requests"] == 2 * len(judged) * 6


def test_a_table_for_people_with_cost_and_budget(tmp_path: Path) -> None:
    prices = ["teacher.prompt_price=0.5", "teacher.completion_price=0.5", "budget.max_cost=0.0001"]
    options = [word for price in prices for word in ("--set", price)]
    done = gukbap("plan", "smoke", *options, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith("smoke: ")
    (generate,) = [line for line in done.stdout.splitlines() if line.startswith("generate")]
    assert load_recipe("smoke").teacher.model in generate
    assert "- budget.max_cost (0.0001) may stop generation: at most it takes " in done.stdout


def test_an_unknown_cost_is_not_told_as_nothing(tmp_path: Path) -> None:
    done = gukbap("plan", "gukbap-mistral-7b", "--json", cwd=tmp_path)
    stages = {stage["stage"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert stages["generate"]["cost"] is None
    assert "teacher.prompt_price and completion_price are not set" in done.stdout
    assert stages["judge"]["least"] == 2 * 3 * 42 * 2
    assert stages["generate"]["most"]["requests"] == 210 * (1 + 3 * 12)


def test_the_rounds_of_each_category_are_counted() -> None:
    recipe = load_recipe("smoke", ["generate.category_rounds={math: 3}", "generate.seed_count=null"])
    seeds = load_seeds(recipe.generate)
    found = forecast(recipe, seeds, [], {strategy: [] for strategy in recipe.infer.strategies})[0]
    assert found.least == 180 * (1 + 1) + 30 * (1 + 3)
    assert found.most.requests == 180 * (1 + 3) + 30 * (1 + 3 * 3)
