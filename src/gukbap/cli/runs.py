"""`gukbap runs`: the newest runs on Kubeflow Pipelines."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.cli.kubeflow import connection_options, open_connection, show_json, show_table
from gukbap.cli.options import json_option
from gukbap.errors import UsageError
from gukbap.handover import TRACKING_URI

if TYPE_CHECKING:
    from gukbap.adapters.kfp import Connection


@click.command()
@click.option("--recipe", help="Runs of this recipe's pipeline alone.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many.")
@click.option(
    "--close",
    "closing",
    metavar="EXPERIMENT",
    help="First close MLflow runs of this experiment whose pipeline run has ended (MLFLOW_TRACKING_URI).",
)
@connection_options
@json_option
def runs(
    recipe: str | None,
    limit: int,
    closing: str | None,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """List the newest runs of gukbap's pipelines on Kubeflow Pipelines."""
    from gukbap.adapters.kfp import list_runs

    connection = open_connection(endpoint, token_file, namespace)
    if closing:
        _close(connection, closing)
    found = list_runs(connection, recipe, limit)
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


def _close(connection: Connection, experiment: str) -> None:
    from gukbap.workers.ended_runs import close_ended_runs

    uri = os.environ.get(TRACKING_URI)
    if not uri:
        raise UsageError(f"--close needs {TRACKING_URI}", fix=f"export {TRACKING_URI}=http://…")
    closed = close_ended_runs(connection, experiment, uri)
    for run_id, status in closed.items():
        click.echo(f"closed {run_id} as {status}", err=True)
    if not closed:
        click.echo(f"no run of {experiment} was left open", err=True)
