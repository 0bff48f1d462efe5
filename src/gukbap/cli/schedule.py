"""`gukbap schedule`: the recurring runs that `gukbap apply` made."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from gukbap.cli.kubeflow import connection_options, open_connection, show_json, show_table
from gukbap.cli.options import json_option

_reference = click.argument("reference", metavar="[NAME]", required=False)


@click.group()
def schedule() -> None:
    """See and change scheduled retraining. NAME is a recipe, a recurring run's name or its id; it may be
    left out where there is only one."""


@schedule.command("list")
@connection_options
@json_option
def list_(endpoint: str | None, token_file: Path | None, namespace: str | None, as_json: bool) -> None:
    """List the recurring runs of gukbap."""
    from gukbap.adapters.kfp.recurring import list_recurring

    runs = list_recurring(open_connection(endpoint, token_file, namespace))
    if as_json:
        show_json([asdict(run) for run in runs])
    elif not runs:
        click.echo("no recurring run; set schedule.cron in a recipe and run `gukbap apply RECIPE`", err=True)
    else:
        rows = [("NAME", "CRON (UTC)", "STATE", "PARAMETERS", "ID")]
        for run in runs:
            values = " ".join(f"{name}={value}" for name, value in sorted(run.parameters.items()))
            rows.append((run.name, run.cron, "enabled" if run.enabled else "paused", values, run.id))
        show_table(rows)


@schedule.command()
@_reference
@connection_options
@json_option
def pause(
    reference: str | None, endpoint: str | None, token_file: Path | None, namespace: str | None, as_json: bool
) -> None:
    """Stop starting runs, until it is resumed or applied again."""
    _switch(reference, endpoint, token_file, namespace, as_json, enabled=False)


@schedule.command()
@_reference
@connection_options
@json_option
def resume(
    reference: str | None, endpoint: str | None, token_file: Path | None, namespace: str | None, as_json: bool
) -> None:
    """Start runs again; if a time was missed meanwhile, one starts at once."""
    _switch(reference, endpoint, token_file, namespace, as_json, enabled=True)


@schedule.command()
@_reference
@connection_options
@json_option
def delete(
    reference: str | None, endpoint: str | None, token_file: Path | None, namespace: str | None, as_json: bool
) -> None:
    """Delete a recurring run; runs that it has started go on. `gukbap apply` makes it anew."""
    from gukbap.adapters.kfp.schedules import choose, remove

    connection = open_connection(endpoint, token_file, namespace)
    run = choose(connection, reference)
    remove(connection, run)
    _tell(as_json, run.name, run.id, "deleted")


@schedule.command()
@_reference
@connection_options
@json_option
def trigger(
    reference: str | None, endpoint: str | None, token_file: Path | None, namespace: str | None, as_json: bool
) -> None:
    """Start one run now, as the schedule would."""
    from gukbap.adapters.kfp.schedules import choose
    from gukbap.adapters.kfp.schedules import trigger as start_now

    connection = open_connection(endpoint, token_file, namespace)
    started = start_now(connection, choose(connection, reference))
    if as_json:
        show_json(asdict(started))
    else:
        click.echo(f"run      {started.id}  {started.name}")


def _switch(
    reference: str | None,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
    *,
    enabled: bool,
) -> None:
    from gukbap.adapters.kfp.schedules import choose, switch

    connection = open_connection(endpoint, token_file, namespace)
    run = choose(connection, reference)
    changed = switch(connection, run, enabled)
    state = "enabled" if enabled else "paused"
    _tell(as_json, run.name, run.id, state if changed else f"{state} already")
    if not enabled and not as_json:
        click.echo("`gukbap apply` enables it again unless the recipe says schedule.enabled=false", err=True)


def _tell(as_json: bool, name: str, id_: str, change: str) -> None:
    if as_json:
        show_json({"name": name, "id": id_, "change": change})
    else:
        show_table([(name, change, id_)])
