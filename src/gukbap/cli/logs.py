"""`gukbap logs`: the log of one step of a run on Kubeflow Pipelines."""

from __future__ import annotations

from pathlib import Path

import click

from gukbap.cli.kubeflow import connection_options, open_connection


@click.command()
@click.argument("run")
@click.argument("step")
@click.option("--follow", "following", is_flag=True, help="Go on until the step ends.")
@connection_options
def logs(
    run: str,
    step: str,
    following: bool,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
) -> None:
    """Show the log of STEP (such as train or judge-tuned-1-shot) of RUN (its id or name)."""
    from gukbap.adapters.kfp.logs import StepLog

    log = StepLog(open_connection(endpoint, token_file, namespace), run, step)
    for piece in log.pieces(follow=following):
        click.echo(piece, nl=False)
