"""`gukbap logickor`: LogicKor's questions, prompt strategies and judge templates as an evaluation pack."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gukbap.benchmarks.logickor import Imported, import_logickor
from gukbap.cli.options import json_option


@click.group()
def logickor() -> None:
    """Import LogicKor, whose text is not part of this project."""


@logickor.command("import")
@click.argument("source")
@click.option(
    "-o", "--output", "pack", type=click.Path(path_type=Path), required=True, help="The pack folder to write."
)
@click.option(
    "--any-size",
    is_flag=True,
    help="Also take a set of your own: other numbers of questions, categories and references.",
)
@click.option("--force", is_flag=True, help="Replace another pack in this folder.")
@json_option
def import_(source: str, pack: Path, any_size: bool, force: bool, as_json: bool) -> None:
    """Make an evaluation pack of SOURCE, for evaluate.pack in a recipe.

    SOURCE is a checkout's folder, a .zip, .tar or .tar.gz archive, or a commit on GitHub:
    OWNER/REPO@SHA or https://github.com/OWNER/REPO/tree/SHA. Its templates.py is read, never executed.
    """
    imported = import_logickor(source, pack, any_size=any_size, force=force)
    record = imported.record
    if as_json:
        values = {
            "path": str(imported.path),
            "written": imported.written,
            "sha256": record.identity.sha256,
            **record.model_dump(mode="json"),
        }
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    _show(imported, pack)


def _show(imported: Imported, pack: Path) -> None:
    record = imported.record
    categories = f"{len(record.categories)} categories"
    click.echo(f"pack        {imported.path}{'' if imported.written else '  (was there already)'}")
    click.echo(f"name        {record.name}")
    click.echo(f"source      {record.source}")
    click.echo(f"commit      {record.commit or 'unknown'}")
    click.echo(f"sha256      {record.identity.sha256}")
    click.echo(f"questions   {record.questions} in {categories}, {record.with_reference} with references")
    click.echo(f"strategies  {', '.join(record.strategies)}")
    for note in record.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"next: gukbap run RECIPE --set evaluate.pack={pack}", err=True)
