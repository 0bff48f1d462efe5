"""`gukbap plan`: what a recipe comes to, before anything is sent or trained."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.options import json_option, overrides_option
from gukbap.cli.tracking import registry_uri
from gukbap.cli.training_plan import (
    Options,
    plan_training,
    refusal,
    training_lines,
    training_notes,
    training_options,
)
from gukbap.recipes import load_recipe

if TYPE_CHECKING:
    from gukbap.config import Recipe
    from gukbap.stages.forecast import StageForecast


@click.command()
@click.argument("recipe", default="local")
@overrides_option
@training_options
@json_option
def plan(recipe: str, overrides: tuple[str, ...], as_json: bool, **training: Any) -> None:
    """Say what RECIPE (local by default) asks of its models, at most: calls, tokens and cost by stage;
    and what its training takes: memory, steps, hours.

    Nothing is sent. Seeds, questions and prompts are read and counted; a reply counts as long as it may
    be, so a run takes less. Exit code 1, after all figures: the training cannot fit into its GPUs.
    """
    from gukbap.benchmarks import open_pack
    from gukbap.stages.forecast import forecast
    from gukbap.workers.data_versions import fetch_base, pin_base
    from gukbap.workers.packs import evaluation_inputs, local_pack
    from gukbap.workers.seeds import seeds_to_evolve
    from gukbap.workers.weakness import settle_weakness

    progress, given = open_progress(), load_recipe(recipe, overrides)
    weighed = settle_weakness(pin_base(given), registry_uri(Path("runs"), given), progress)
    checked = weighed.recipe
    base = fetch_base(checked.data_source)
    seeds = seeds_to_evolve(checked.generate_settings(), base.seeds() if base else [], progress).seeds
    questions, strategies = evaluation_inputs(checked.evaluate, progress)
    templates = open_pack(local_pack(checked.evaluate.pack, progress)).judge
    stages = forecast(checked, seeds, questions, strategies, templates)
    options = Options(**training)
    candidates = sum(checked.generate.candidates(seed.category) for seed in seeds)
    trained = plan_training(checked, candidates, options)
    weights = [f"categories: {weighed.why}"] if weighed.why else []
    notes = [*_notes(checked, stages), *weights, *training_notes(trained, checked, options)]
    if as_json:
        document = {
            "recipe": checked.name,
            "seeds": len(seeds),
            "seeds_by_category": dict(sorted(Counter(seed.category for seed in seeds).items())),
            "questions": len(questions),
            "stages": [asdict(one) for one in stages],
            "training": asdict(trained) if trained else None,
            "notes": notes,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        click.echo(f"{checked.name}: {len(seeds)} seeds, {len(questions)} questions")
        for line in [*_table(stages), *(training_lines(trained) if trained else [])]:
            click.echo(line)
        for note in notes:
            click.echo(f"- {note}")
    if trained and trained.fits is False:
        raise refusal(trained)


def _table(stages: list[StageForecast]) -> list[str]:
    rows = [["stage", "calls", "at most", "prompt tokens", "reply tokens", "cost", "model"]]
    for one in stages:
        cost = "–" if one.cost is None else f"{one.cost:.2f}"
        most = one.most
        numbers = [one.least, most.requests, most.prompt_tokens, most.completion_tokens]
        rows.append([one.stage, *(f"{number:,}" for number in numbers), cost, one.model])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _notes(recipe: Recipe, stages: list[StageForecast]) -> list[str]:
    notes = ["calls: sent in any case; tokens and cost: where every reply is as long as it may be"]
    generation = stages[0]
    if recipe.generate.max_rows:
        notes.append(f"generation ends as soon as {recipe.generate.max_rows} rows are kept")
    limits = (
        ("max_requests", recipe.budget.max_requests, generation.most.requests),
        ("max_tokens", recipe.budget.max_tokens, generation.most.tokens),
        ("max_cost", recipe.budget.max_cost, generation.cost),
    )
    for name, limit, most in limits:
        if limit is not None and most is not None and most > limit:
            notes.append(f"budget.{name} ({limit:g}) may stop generation: at most it takes {most:,g}")
    for stage, endpoint in (("teacher", recipe.teacher), ("judge.endpoint", recipe.judge.endpoint)):
        if endpoint.base_url is not None and endpoint.cost(0, 0) is None:
            notes.append(f"{stage}.prompt_price and completion_price are not set: its cost is not known")
    return notes
