"""`gukbap rollback`: make a former champion the champion again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from gukbap.cli.options import json_option, runs_option
from gukbap.cli.tracking import tracking_uri


@click.command()
@click.argument("model", required=False)
@click.option(
    "--to", type=click.IntRange(1), metavar="VERSION", help="A former champion; else the one before this one."
)
@runs_option
@json_option
def rollback(model: str | None, to: int | None, runs: Path, as_json: bool) -> None:
    """Make a former champion of MODEL the champion again.

    MODEL is a name in MLflow's registry (MLFLOW_TRACKING_URI, or the file of --runs); it may be left out
    where there is one. Without --to the last promotion is taken back; said twice, it is taken back once.
    """
    from gukbap.workers.rollback import roll_back

    found = roll_back(tracking_uri(runs), model, to)
    if as_json:
        click.echo(json.dumps({**asdict(found), "changed": found.changed}, ensure_ascii=False))
        return
    if found.changed:
        click.echo(f"{found.model}: champion is version {found.after} (was {found.before}); {found.reason}")
        click.echo(f"record  {found.record}")
    else:
        click.echo(f"{found.model}: champion stays version {found.after}; {found.reason}")
