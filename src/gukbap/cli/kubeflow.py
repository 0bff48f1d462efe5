"""What the commands for Kubeflow Pipelines share: options, the connection, the compiled pipeline."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gukbap.adapters.progress import open_progress

if TYPE_CHECKING:
    from gukbap.adapters.kfp import Connection
    from gukbap.adapters.kfp.registration import Package
    from gukbap.config import Recipe

Command = TypeVar("Command", bound=Callable[..., Any])

_ENDPOINT = click.option(
    "--endpoint",
    metavar="URL",
    help="Kubeflow Pipelines API; else KF_PIPELINES_ENDPOINT, else the cluster that this pod runs in.",
)
_TOKEN_FILE = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with a bearer token; read anew for each request.",
)
_NAMESPACE = click.option("--namespace", help="Namespace of your profile, where KFP serves several users.")

param_option = click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Set one runtime parameter."
)


def connection_options(command: Command) -> Command:
    """--endpoint, --token-file and --namespace."""
    for option in (_NAMESPACE, _TOKEN_FILE, _ENDPOINT):
        command = option(command)
    return command


def open_connection(
    endpoint: str | None, token_file: Path | None, namespace: str | None, wait: float = 0.0
) -> Connection:
    """The API that the options name."""
    from gukbap.adapters.kfp import connect

    return connect(endpoint, token_file, namespace, wait=wait, progress=open_progress())


@contextmanager
def compiled(recipe: Recipe) -> Iterator[Package]:
    """A recipe's pipeline as IR in a temporary file."""
    from kfp.compiler import Compiler

    from gukbap.adapters.kfp.registration import Package
    from pipelines.gukbap_pipeline import build_pipeline

    with tempfile.TemporaryDirectory(prefix="gukbap-") as folder:
        file = Path(folder) / "pipeline.yaml"
        Compiler().compile(build_pipeline(recipe), str(file))
        yield Package.read(file)


def show_json(value: Any) -> None:
    """One JSON document on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def show_table(rows: Sequence[Sequence[str]]) -> None:
    """Rows with their columns aligned, on standard output."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
