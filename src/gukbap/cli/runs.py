"""`gukbap runs`: the newest runs on Kubeflow Pipelines."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gukbap.cli.kubeflow import connection_options, open_connection, show_json, show_table
from gukbap.cli.options import json_option


@click.command()
@click.option("--recipe", help="Runs of this recipe's pipeline alone.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@connection_options
@json_option
def runs(
    recipe: str | None,
    limit: int,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List the newest runs of gukbap's pipelines on Kubeflow Pipelines."""
    from gukbap.adapters.kfp import list_runs

    found = list_runs(open_connection(endpoint, token_file, namespace), recipe, limit)
    if as_json:
        show_json([asdict(run) for run in found])
    elif not found:
        click.echo("no run yet", err=True)
    else:
        rows = [("CREATED (UTC)", "STATE", "MINUTES", "NAME", "ID")]
        for run in found:
            created = f"{run.created_at:%Y-%m-%d %H:%M}"
            rows.append((created, run.state.lower(), f"{run.seconds / 60:.0f}", run.name, run.id))
        show_table(rows)
