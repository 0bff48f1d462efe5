"""`gukbap prune`: delete what retention lets go."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.options import json_option, overrides_option, runs_option
from gukbap.cli.tracking import tracking_uri
from gukbap.recipes import load_recipe

if TYPE_CHECKING:
    from gukbap.stages.retention import Ruling

#: in the folder of the runs
JOURNAL = "prune.jsonl"


@click.command()
@click.argument("recipe", default="local")
@click.option("--apply", "delete", is_flag=True, help="Delete; without it, it is only said what would go.")
@click.option(
    "--claim",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where cluster.work_claim is mounted: journals and checkpoints of a cluster's runs, too.",
)
@overrides_option
@runs_option
@json_option
def prune(
    recipe: str, delete: bool, claim: Path | None, overrides: tuple[str, ...], runs: Path, as_json: bool
) -> None:
    """Say what of the runs beside RECIPE's store and registry (local by default) may go, and why the rest
    stays.

    `retention` of the recipe is the policy, for example --set retention.journal_days=7. What an alias of the
    registry leads to, runs that are open or can be resumed, and what is pinned always stay. Where store or
    MLflow do not answer, nothing is deleted.
    """
    from gukbap.adapters.folder_store import FolderStore
    from gukbap.adapters.stores import Store, open_store
    from gukbap.journal import Journal
    from gukbap.workers.retention import Retention

    checked, progress = load_recipe(recipe, overrides), open_progress()
    uri = tracking_uri(runs, checked) if checked.tracking.enabled else None
    local: list[Store] = [FolderStore(runs.resolve())] if runs.is_dir() else []
    stored = open_store(checked.store)
    stores = [*local, stored] if stored else local
    work = FolderStore(claim.resolve() / "runs") if claim else None
    retention = Retention(checked.retention, stores, uri, checked.store, progress, work)
    if delete:
        with Journal(runs / JOURNAL, shared=True) as journal:
            rulings = retention.apply(journal)
    else:
        rulings = retention.rulings()
    if as_json:
        document = {"deleted": delete, "rulings": [asdict(one) for one in rulings]}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for one in rulings:
        click.echo(_line(one, delete))
    going = [one for one in rulings if one.goes]
    told = sum(one.size or 0 for one in going if one.part != "version")
    click.echo(f"{len(going)} parts, {told / 1e6:.1f} MB in runs")
    if going and not delete:
        click.echo("nothing was deleted; call again with --apply")


def _line(one: Ruling, delete: bool) -> str:
    verdict = ("deleted" if delete else "would go") if one.goes else "stays"
    size = "" if one.size is None else f"{one.size / 1e6:.1f} MB"
    return f"{verdict:<8}  {one.part:<11}  {one.name}  {size}  {one.why}  ({one.place})"
