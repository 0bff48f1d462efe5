"""`gukbap data`: the versions of a data set that grows from run to run."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.cli.options import json_option
from gukbap.errors import UsageError

if TYPE_CHECKING:
    from gukbap.adapters.version_store import VersionStore
    from gukbap.data_versions import LogEntry, Manifest
    from gukbap.schemas import Row
    from gukbap.stages.data_set import Change, Counts

Command = Callable[..., Any]

_options = (
    click.option(
        "--store",
        envvar="GUKBAP_DATA_STORE",
        required=True,
        help="s3://bucket/prefix or file:///folder, as in data.store. [env: GUKBAP_DATA_STORE]",
    ),
    click.option("--name", help="The data set, as in data.name; may be left out where there is one alone."),
    click.option("--endpoint", help="The S3 server; MINIO_ENDPOINT by default."),
)


def _store_options(command: Command) -> Command:
    for option in reversed(_options):
        command = option(command)
    return command


@click.group()
def data() -> None:
    """See, compare, check and fetch the versions of a data set. Keys come from the environment.

    A version is named by `latest`, its id, or the beginning of its id.
    """


@data.command("list")
@_store_options
@json_option
def list_versions(store: str, name: str | None, endpoint: str | None, as_json: bool) -> None:
    """List the versions in their order; last those that stand beside the log."""
    versions = _open(store, name, endpoint)
    log = versions.log()
    beside = [one for one in versions.ids() if one not in {entry.version for entry in log}]
    listed = [(entry, versions.manifest(entry.version)) for entry in log]
    documents = [
        *(_listed(manifest, entry) for entry, manifest in listed),
        *(_listed(versions.manifest(one), None) for one in beside),
    ]
    if as_json:
        click.echo(json.dumps({"name": versions.name, "versions": documents}, ensure_ascii=False))
        return
    header = ["number", "version", "parent", "rows", "new", "gone", "seeds", "published", "run"]
    keys = ["number", "version", "parent", "rows", "new_rows", "gone_rows", "seeds", "at", "run"]
    cells = [["–" if one[key] is None else str(one[key]) for key in keys] for one in documents]
    for line in _aligned([header, *cells]):
        click.echo(line)


@data.command()
@click.argument("version")
@click.option(
    "--verify", is_flag=True, help="Read every byte back and hash it. Exit code 1 where one is wrong."
)
@_store_options
@json_option
def show(
    version: str, verify: bool, store: str, name: str | None, endpoint: str | None, as_json: bool
) -> None:
    """Show what VERSION holds: rows by category and operation, teachers, licences, files."""
    versions = _open(store, name, endpoint)
    found = versions.resolve(version)
    manifest = versions.manifest(found)
    problems = list(versions.problems(found)) if verify else None
    if as_json:
        entries = [entry.model_dump() for entry in versions.log() if entry.version == found]
        document = {"version": found, **manifest.model_dump(), "log": entries, "problems": problems}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for line in _shown(found, manifest):
            click.echo(line)
        for problem in problems or []:
            click.echo(f"PROBLEM  {problem}")
        if problems == []:
            click.echo("every file is what was published")
    if problems:
        sys.exit(1)


@data.command()
@click.argument("before")
@click.argument("after")
@_store_options
@json_option
def diff(before: str, after: str, store: str, name: str | None, endpoint: str | None, as_json: bool) -> None:
    """Compare two versions row by row: added, removed, changed, and counts by category and operation."""
    from gukbap.stages.data_set import diff as compare

    versions = _open(store, name, endpoint)
    ids = [versions.resolve(one) for one in (before, after)]
    found = compare(*(_rows(versions, one) for one in ids))
    if as_json:
        document = {"before": ids[0], "after": ids[1], **found.model_dump()}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(f"{ids[0]} → {ids[1]}")
    for kind in ("added", "removed", "changed"):
        for line in _told(kind, getattr(found, kind)):
            click.echo(line)
    click.echo(f"same     {found.same}")
    for line in [*_counted("category", found.categories), *_counted("operation", found.operations)]:
        click.echo(line)


@data.command()
@click.argument("version")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@_store_options
def get(version: str, folder: Path, store: str, name: str | None, endpoint: str | None) -> None:
    """Fetch VERSION into FOLDER: rows.jsonl, seeds.jsonl and the near-dedup index."""
    versions = _open(store, name, endpoint)
    manifest = versions.manifest(versions.resolve(version))
    versions.fetch(manifest.files, folder)
    click.echo(f"{manifest.rows} rows, {manifest.seeds} seeds in {folder}", err=True)


def _open(url: str, name: str | None, endpoint: str | None) -> VersionStore:
    from gukbap.adapters.stores import open_store
    from gukbap.adapters.version_store import VersionStore, data_set_names
    from gukbap.config import StoreConfig

    if not url.startswith(("s3://", "file://")):
        raise UsageError(f"--store {url}", expected="s3://bucket/prefix or file:///folder")
    store = open_store(StoreConfig(url=url.rstrip("/"), endpoint_url=endpoint))
    if store is None:
        raise UsageError(f"--store {url} names no store")
    names = data_set_names(store)
    if name is None and len(names) == 1:
        return VersionStore(store, names[0])
    if name is None or name not in names:
        raise UsageError(
            f"{url} has no data set {name!r}" if name else f"{url} has {len(names)} data sets",
            expected=f"--name, one of {', '.join(names)}" if names else "a store with versions of a data set",
            fix="gukbap run RECIPE --set data.store=… publishes them" if not names else None,
        )
    return VersionStore(store, name)


def _rows(versions: VersionStore, version: str) -> list[Row]:
    from gukbap.data_versions import ROWS
    from gukbap.schemas import Row
    from gukbap.stages.training_input import read_training

    with tempfile.TemporaryDirectory() as folder:
        versions.fetch({ROWS: versions.manifest(version).files[ROWS]}, Path(folder))
        return read_training(Path(folder) / ROWS, Row)


def _listed(manifest: Manifest, entry: LogEntry | None) -> dict[str, Any]:
    return {
        "number": entry.number if entry else None,
        "version": manifest.id,
        "parent": manifest.parent,
        "joined": manifest.joined,
        "rows": manifest.rows,
        "new_rows": manifest.new_rows,
        "gone_rows": manifest.gone_rows,
        "seeds": manifest.seeds,
        "new_seeds": manifest.new_seeds,
        "at": entry.at if entry else None,
        "run": entry.run if entry else None,
    }


def _shown(version: str, manifest: Manifest) -> Iterator[str]:
    yield f"version  {version}"
    yield f"parent   {manifest.parent or '–'}" + (f", joined {manifest.joined}" if manifest.joined else "")
    yield f"rows     {manifest.rows} ({manifest.new_rows} new, {manifest.gone_rows} of the parent gone)"
    yield f"seeds    {manifest.seeds} ({manifest.new_seeds} new)"
    yield f"bytes    {sum(file.size for file in manifest.files.values())} in {len(manifest.files)} files"
    for title, counts in (("category", manifest.categories), ("operation", manifest.operations)):
        yield from _aligned([[title, "rows"], *([name, str(count)] for name, count in counts.items())])
    yield from _aligned(
        [
            ["teacher", "licence", "version", "rows"],
            *([s.teacher.model, s.teacher.licence, s.version, str(s.rows)] for s in manifest.sources),
        ]
    )


def _told(kind: str, change: Change) -> Iterator[str]:
    yield f"{kind:<8} {change.rows}"
    for sample in change.samples:
        yield f"         {sample.id} ({sample.category}, {sample.operation}): {sample.instruction}"


def _counted(title: str, counts: Mapping[str, Counts]) -> Iterator[str]:
    lines = [[name, str(n.before), str(n.after), f"{n.after - n.before:+d}"] for name, n in counts.items()]
    yield from _aligned([[title, "before", "after", ""], *lines])


def _aligned(lines: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
