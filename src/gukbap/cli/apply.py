"""`gukbap apply`: register a recipe on Kubeflow Pipelines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gukbap.cli.kubeflow import (
    compiled,
    connection_options,
    open_connection,
    param_option,
    show_json,
    show_table,
)
from gukbap.cli.options import json_option, overrides_option, recipe_argument
from gukbap.recipes import load_recipe


@click.command()
@recipe_argument
@overrides_option
@param_option
@connection_options
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an API that is still starting.",
)
@click.option("--dry-run", is_flag=True, help="Say what would change; write nothing.")
@json_option
def apply(
    recipe: str,
    overrides: tuple[str, ...],
    parameters: tuple[str, ...],
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    wait: float,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Register RECIPE: its pipeline, the compiled version, the experiment, and its schedule.

    What is already there and right stays as it is. --param sets parameters of scheduled runs.
    """
    from gukbap.adapters.kfp import apply as apply_recipe
    from gukbap.adapters.kfp.parameters import read_assignments
    from gukbap.adapters.kfp.registration import preview

    chosen = load_recipe(recipe, overrides)
    values = read_assignments(parameters)
    with compiled(chosen) as package:
        connection = open_connection(endpoint, token_file, namespace, wait)
        act = preview if dry_run else apply_recipe
        changes = act(connection, chosen, package, values)
    if as_json:
        show_json({"dry_run": dry_run, "changes": [asdict(change) for change in changes]})
        return
    if dry_run:
        click.echo("nothing was written; apply would do this:", err=True)
    show_table([(change.object, change.name, change.change, change.id) for change in changes])
