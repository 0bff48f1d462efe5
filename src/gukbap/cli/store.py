"""`gukbap store`: the runs in an object store."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.options import json_option
from gukbap.errors import InputError, UsageError

if TYPE_CHECKING:
    from gukbap.adapters.stored_runs import StoredRun
    from gukbap.adapters.stores import Store

Command = Callable[..., Any]

_url = click.option(
    "--url",
    envvar="GUKBAP_STORE_URL",
    required=True,
    help="s3://bucket/prefix or file:///folder, as in store.url. [env: GUKBAP_STORE_URL]",
)
_endpoint = click.option("--endpoint", help="The S3 server; MINIO_ENDPOINT by default.")


def _store_options(command: Command) -> Command:
    return _url(_endpoint(command))


@click.group()
def store() -> None:
    """See, check and fetch the runs in an object store. Keys come from the environment."""


@store.command("list")
@_store_options
@json_option
def list_runs(url: str, endpoint: str | None, as_json: bool) -> None:
    """List the runs, the newest first."""
    from gukbap.adapters.stored_runs import stored_runs

    runs = stored_runs(_open(url, endpoint))
    if as_json:
        click.echo(json.dumps([_document(run) for run in runs], ensure_ascii=False))
        return
    for run in runs:
        click.echo(_line(run))
    click.echo(f"{len(runs)} runs, {sum(run.size for run in runs) / 1e6:.1f} MB")


@store.command()
@click.argument("run")
@_store_options
@json_option
def verify(run: str, url: str, endpoint: str | None, as_json: bool) -> None:
    """Read every byte of RUN back and hold it against the manifest. Exit code 1 where it does not fit."""
    from gukbap.adapters.stored_folders import verify_folder

    with tempfile.TemporaryDirectory() as work:
        found = verify_folder(_open(url, endpoint), run, Path(work), open_progress())
    if as_json:
        click.echo(json.dumps({"run": run, "problems": found}, ensure_ascii=False))
    else:
        for problem in found:
            click.echo(f"PROBLEM  {problem}")
        click.echo(f"{run}: {len(found)} problems" if found else f"{run} is whole")
    if found:
        sys.exit(1)


@store.command()
@click.argument("run")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_store_options
def get(run: str, folder: Path, url: str, endpoint: str | None) -> None:
    """Fetch RUN into FOLDER; what is there already is not fetched again."""
    from gukbap.adapters.stored_folders import download_folder

    count = download_folder(_open(url, endpoint), run, folder, open_progress())
    click.echo(f"{count} files fetched into {folder}", err=True)


@store.command()
@click.argument("run")
@click.option(
    "--hours", type=click.FloatRange(0.01, 168), default=24, show_default=True, help="How long they live."
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write RUN's report here, with the links at its end.",
)
@_store_options
@json_option
def links(run: str, hours: float, report: Path | None, url: str, endpoint: str | None, as_json: bool) -> None:
    """Print links to RUN's report, cards, scores, rows and answers, for people without keys.

    Whoever has such a link can read the file until it expires: they are printed, or written into the one
    file of --report, and kept nowhere else.
    """
    from gukbap.adapters.minio_store import MinioStore
    from gukbap.files import atomic_file, read_text
    from gukbap.stages.report.links import with_links

    opened = _open(url, endpoint)
    if not isinstance(opened, MinioStore):
        raise UsageError(f"{url} has no links", expected="s3://bucket/prefix")
    wanted = ("report.html", "model_card.md", "scores.json", "dataset/", "answers/", "judgements/")
    keys = [key for key in opened.list(f"{run}/") if key.removeprefix(f"{run}/").startswith(wanted)]
    if not keys:
        raise InputError(
            f"{opened.uri(run)} holds no report, scores, rows or answers",
            fix="gukbap store list shows the stored runs",
        )
    until = datetime.now(UTC) + timedelta(hours=hours)
    found = {key: opened.link(key, hours) for key in keys}
    if report is not None:
        with tempfile.TemporaryDirectory() as folder:
            plain = Path(folder) / "report.html"
            opened.get_file(f"{run}/report.html", plain)
            page = with_links(read_text(plain), found, until)
        with atomic_file(report, mode=0o600) as file:
            file.write(page.encode("utf-8"))
        click.echo(f"{report} can be opened by whoever has it until {until:%Y-%m-%d %H:%M} UTC", err=True)
        return
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for key, link in found.items():
        click.echo(f"- [{key}]({link})")


def _open(url: str, endpoint: str | None) -> Store:
    from gukbap.adapters.stores import open_store
    from gukbap.config import StoreConfig

    if not url.startswith(("s3://", "file://")):
        raise UsageError(f"--url {url}", expected="s3://bucket/prefix or file:///folder")
    opened = open_store(StoreConfig(url=url.rstrip("/"), endpoint_url=endpoint))
    if opened is None:
        raise UsageError(f"--url {url} names no store")
    return opened


def _line(run: StoredRun) -> str:
    marks = ("" if run.whole else "  not whole") + ("  kept" if run.kept else "")
    return f"{run.name}  {run.modified:%Y-%m-%d %H:%M}  {run.objects} objects  {run.size / 1e6:.1f} MB{marks}"


def _document(run: StoredRun) -> dict[str, Any]:
    return {
        "run": run.name,
        "objects": run.objects,
        "bytes": run.size,
        "modified": run.modified.isoformat(),
        "whole": run.whole,
        "kept": run.kept,
    }
