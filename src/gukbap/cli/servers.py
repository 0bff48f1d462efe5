"""`gukbap up`, `down`, `status` and `env`: an S3 server and MLflow on this machine, without Docker."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.options import json_option
from gukbap.errors import GukbapError

if TYPE_CHECKING:
    from gukbap.adapters.local_servers import LocalServers, ServerState

_folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of data, keys and logs; else GUKBAP_UP_FOLDER, else gukbap/up in the user's data folder.",
)
_port = click.IntRange(1, 65535)


def _servers(folder: Path | None) -> LocalServers:
    try:
        from gukbap.adapters.local_servers import LocalServers, default_folder
    except ImportError as error:
        raise GukbapError(
            f"{error.name} is not installed", fix="pip install 'gukbap[tracking,up]'"
        ) from error
    return LocalServers(folder or default_folder())


@click.command()
@_folder_option
@click.option("--s3-port", type=_port, help="Port of the S3 server; remembered.")
@click.option("--mlflow-port", type=_port, help="Port of MLflow; remembered.")
@json_option
def up(folder: Path | None, s3_port: int | None, mlflow_port: int | None, as_json: bool) -> None:
    """Start an S3 server and MLflow on loopback, with keys of their own, and leave them running.

    What runs already is left alone; what has crashed is started again.
    """
    from gukbap.adapters.local_servers import STORE_URL

    servers = _servers(folder)
    states = servers.up(open_progress(), {"s3": s3_port, "mlflow": mlflow_port})
    if as_json:
        _show_json(servers, states, store_url=STORE_URL)
        return
    _show(servers, states)
    named = ["--folder", str(folder)] if folder else []
    click.echo(f'next    eval "$({shlex.join(["gukbap", "env", *named])})"')
    click.echo(f"        gukbap run smoke --set store.url={STORE_URL}")
    click.echo(f"stop    {shlex.join(['gukbap', 'down', *named])}")


@click.command()
@_folder_option
@json_option
def down(folder: Path | None, as_json: bool) -> None:
    """Stop what `gukbap up` started, all of it; the data stays."""
    servers = _servers(folder)
    stopped = servers.down(open_progress())
    if as_json:
        click.echo(json.dumps({"folder": str(servers.folder), "stopped": stopped}))
    elif stopped:
        click.echo(f"stopped {' and '.join(stopped)}; the data stays in {servers.folder}")
    else:
        click.echo(f"nothing runs in {servers.folder}")


@click.command()
@_folder_option
@json_option
def status(folder: Path | None, as_json: bool) -> None:
    """Show what `gukbap up` started. Exit code 1 where not all of it runs and answers."""
    servers = _servers(folder)
    states = servers.status()
    if as_json:
        _show_json(servers, states)
    else:
        _show(servers, states)
    if any(state.state != "running" for state in states):
        sys.exit(1)


@click.command()
@_folder_option
@json_option
def env(folder: Path | None, as_json: bool) -> None:
    """Print what a shell needs to use the servers, the secret key included: eval "$(gukbap env)"."""
    values = _servers(folder).environment()
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        click.echo(shlex.join(["export", f"{name}={value}"]))


def _show(servers: LocalServers, states: Sequence[ServerState]) -> None:
    for state in states:
        where = f"  {state.url}  pid {state.pid}" if state.url else ""
        click.echo(f"{state.name:<6}  {state.state}{where}")
    click.echo(f"data    {servers.folder}")


def _show_json(servers: LocalServers, states: Sequence[ServerState], **more: str) -> None:
    shown = {"folder": str(servers.folder), "servers": [asdict(state) for state in states], **more}
    click.echo(json.dumps(shown))
