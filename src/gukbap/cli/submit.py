"""`gukbap submit`: start one run of a registered pipeline."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.kubeflow import compiled, connection_options, open_connection, param_option, show_json
from gukbap.cli.options import json_option, overrides_option, recipe_argument
from gukbap.errors import UsageError
from gukbap.recipes import load_recipe

if TYPE_CHECKING:
    from gukbap.adapters.kfp import Connection, FinalState, StartedRun
    from gukbap.config import Recipe


@click.command()
@recipe_argument
@param_option
@click.option("--version", default="latest", show_default=True, help="Name of the pipeline version to run.")
@click.option("--experiment", help="Experiment of the run; the recipe's own by default.")
@click.option("--run-name", help="Name of the run; pipeline and time by default.")
@click.option(
    "--compile", "register_first", is_flag=True, help="Register RECIPE as it is now, then run that."
)
@overrides_option
@connection_options
@click.option("--follow", "following", is_flag=True, help="Show the steps until the run ends.")
@json_option
def submit(
    recipe: str,
    parameters: tuple[str, ...],
    version: str,
    experiment: str | None,
    run_name: str | None,
    register_first: bool,
    overrides: tuple[str, ...],
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    following: bool,
    as_json: bool,
) -> None:
    """Start one run of RECIPE's registered pipeline (see `gukbap apply`)."""
    from gukbap.adapters.kfp import register
    from gukbap.adapters.kfp import submit as submit_run
    from gukbap.adapters.kfp.parameters import read_assignments
    from gukbap.adapters.kfp.registration import experiment_name

    if overrides and not register_first:
        raise UsageError(
            "--set changes the recipe, but the registered pipeline would run", fix="add --compile"
        )
    if register_first and version != "latest":
        raise UsageError("--compile makes a version of its own", fix=f"leave out --version {version}")
    chosen = load_recipe(recipe, overrides)
    values = read_assignments(parameters)
    if register_first:
        with compiled(chosen) as package:
            connection = open_connection(endpoint, token_file, namespace)
            version = register(connection, chosen, package)[1].name
    else:
        connection = open_connection(endpoint, token_file, namespace)
    started = submit_run(
        connection,
        chosen.name,
        values,
        version=version,
        experiment=experiment or experiment_name(chosen),
        run_name=run_name,
    )
    _tell(connection, chosen, started, following=following, as_json=as_json)


def run_on_cluster(
    recipe: Recipe,
    *,
    run_name: str | None,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Register a recipe's pipeline as it is now, start one run of it, and follow that to its end.

    Raises:
        ClusterError: the run failed, or the API cannot be reached.
    """
    from gukbap.adapters.kfp import register
    from gukbap.adapters.kfp import submit as submit_run
    from gukbap.adapters.kfp.registration import experiment_name

    with compiled(recipe) as package:
        connection = open_connection(endpoint, token_file, namespace)
        version = register(connection, recipe, package)[1].name
    experiment = experiment_name(recipe)
    started = submit_run(
        connection, recipe.name, {}, version=version, experiment=experiment, run_name=run_name
    )
    _tell(connection, recipe, started, following=True, as_json=as_json)


def _tell(
    connection: Connection, recipe: Recipe, started: StartedRun, *, following: bool, as_json: bool
) -> None:
    """Say what was started; where it is followed, wait for its end and raise what went wrong."""
    ui = recipe.cluster.ui_url
    url = f"{ui.rstrip('/')}/#/runs/details/{started.id}" if ui else None
    final = _follow(connection, started.id) if following else None
    if as_json:
        show_json({**asdict(started), "url": url, **({"final": _summary(final)} if final else {})})
    else:
        click.echo(f"run      {started.id}  {started.name}")
        click.echo(f"version  {started.pipeline} {started.version}")
        if url:
            click.echo(f"open     {url}")
        if final is None:
            click.echo(f"logs     gukbap logs {started.id} STEP")
    error = final.error() if final else None
    if error is not None:
        raise error


def _follow(connection: Connection, run_id: str) -> FinalState:
    from gukbap.adapters.kfp import follow

    progress = open_progress()
    progress.say(f"run {run_id}")
    try:
        return follow(connection, run_id, progress)
    except BaseException:
        progress.say(f"run {run_id} goes on at {connection.endpoint}")
        raise


def _summary(final: FinalState) -> dict[str, Any]:
    steps = [{"name": step.name, "state": step.state, "message": step.message} for step in final.steps]
    return {"state": final.state, "seconds": final.seconds, "steps": steps}
