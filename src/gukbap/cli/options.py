"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

recipe_argument = click.argument("recipe")
overrides_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override one value, for example train.epochs=3.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable output on standard output."
)
runs_option = click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="Folder in which runs lie.",
)
judged_path = click.Path(path_type=Path, exists=True)
exclude_fabricated_option = click.option(
    "--exclude-fabricated",
    is_flag=True,
    help="Leave out the zeros that LogicKor's evaluator writes where its judge failed.",
)
incomplete_option = click.option(
    "--allow-incomplete",
    is_flag=True,
    help="Use files with missing questions, and the first of repeated ones.",
)
resampling_seed_option = click.option(
    "--seed", default=0, show_default=True, help="Of the resampling behind intervals and p-values."
)
