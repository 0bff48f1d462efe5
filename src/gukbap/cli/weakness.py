"""`gukbap weakness`: which categories a model is weak in, and what of the next data they should get."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from gukbap.cli.options import json_option, judged_path, overrides_option
from gukbap.errors import InputError
from gukbap.files import canonical_json, read_json
from gukbap.recipes import load_recipe

if TYPE_CHECKING:
    from gukbap.stages.scores import ScoreTable


@click.command()
@click.argument("source", type=judged_path)
@click.option("--recipe", default="local", show_default=True, help="Recipe whose bounds and rounds are used.")
@click.option("--strategy", help="Take this prompt strategy; of several, the one that decides on promotion.")
@click.option("--subject", help="Take this model where SOURCE holds several; tuned by default.")
@overrides_option
@json_option
def weakness(
    source: Path,
    recipe: str,
    strategy: str | None,
    subject: str | None,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Weigh the categories by the scores of SOURCE: a run's folder, its scores.json, or a judged file.

    The last lines are values for --set. A run settles them by itself with generate.weakness.enabled.
    """
    from gukbap.stages.generate.weakness import category_needs
    from gukbap.stages.report.tables import aligned
    from gukbap.workers.weakness import WEAKNESS_HEADER, chosen_row, chosen_values, weakness_lines

    checked = load_recipe(recipe, overrides)
    generate, deciding = checked.generate, checked.deciding_strategy
    row = chosen_row(_table(source), str(source), deciding=deciding, subject=subject, strategy=strategy)
    needs = category_needs(row, generate.weakness, generate.rounds)
    values = chosen_values(needs, rounds=generate.rounds, weighted=True)
    if as_json:
        document: dict[str, Any] = {
            "subject": row.subject,
            "strategy": row.strategy,
            "needs": [asdict(need) for need in needs],
            "generate": values,
        }
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"{row.subject} {row.strategy}, judged by {row.judge}")
    click.echo(aligned(WEAKNESS_HEADER, weakness_lines(needs)))
    click.echo(
        "error: standard error; shrunk: the score drawn towards the mean as far as chance explains its "
        "distance; weight: share of the seeds against an even one"
    )
    for key, chosen in values.items():
        if chosen:
            click.echo(f"--set 'generate.{key}={canonical_json(chosen)}'")
    if all(need.shrunk is None for need in needs):
        click.echo("even shares: there are too few questions to tell the categories apart")
    elif not any(values.values()):
        click.echo("even shares: the categories differ by no more than chance explains")


def _table(source: Path) -> ScoreTable:
    from gukbap.benchmarks.judged import read_judged
    from gukbap.stages.scores import ScoreTable, score_table

    file = source / "scores.json" if source.is_dir() else source
    if file.suffix != ".json" or not file.exists():
        return score_table(read_judged([source]).judgements)
    document = read_json(file)
    try:
        return ScoreTable.model_validate(document["table"])
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"{file} holds no score table",
            expected="the scores.json of a run's report, or `gukbap score --json`",
        ) from error
