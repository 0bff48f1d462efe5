"""`gukbap promote`: compare a finished run with the champion, and promote it where the evidence says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.cli.options import json_option, runs_option
from gukbap.cli.tracking import tracking_uri
from gukbap.errors import InputError
from gukbap.files import folder_fingerprint, read_json
from gukbap.handover import EXPERIMENT, TRACKING_URI

if TYPE_CHECKING:
    from gukbap.config import Recipe
    from gukbap.runners.run_folder import RunFolder


@click.command()
@click.argument("run")
@click.option("--again", is_flag=True, help="Decide anew where the run has a decision already.")
@runs_option
@json_option
def promote(run: str, again: bool, runs: Path, as_json: bool) -> None:
    """Compare RUN, a finished run's id or its folder, with the champion of its model.

    It is what the pipeline's last step does: without --again a run that has a decision keeps it.
    """
    from gukbap.cli.card import CARD_NAME
    from gukbap.runners.environment import stage_environment
    from gukbap.runners.run_folder import RunFolder
    from gukbap.stages.promote import Decision, decision_text
    from gukbap.workers.promote import run_promote

    path = Path(run)
    folder = RunFolder.open(runs, str(path.resolve()) if (path / "recipe.json").exists() else run)
    recipe = folder.recipe
    _check(folder)
    uri = tracking_uri(folder.path.parent, recipe)
    decision = folder.place("promote", "decision")
    with (
        folder.locked(),
        stage_environment(folder, {TRACKING_URI: uri, EXPERIMENT: recipe.tracking.experiment}),
    ):
        run_promote(
            recipe.promote_settings(),
            scores=folder.place("report", "scores"),
            judgements=sorted((folder.path / "judgements").glob("*.jsonl")),
            model_uri=_model_uri(folder, recipe, uri),
            model_sha256=folder_fingerprint(folder.place("train", "model"), without=[CARD_NAME]),
            decision=decision,
            again=again,
        )
    facts = read_json(decision)
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    where, name = facts["registered"], recipe.promote_settings().registered_model
    title = f"{name} version {where['version']}" if where else name
    known = {key: value for key, value in facts.items() if key in Decision.model_fields}
    click.echo(decision_text(Decision.model_validate(known), title))
    if where:
        click.echo(f"aliases  {', '.join(where['aliases']) or 'none'}")
    else:
        click.echo(f"not registered: {facts['not_registered']}")


def _check(folder: RunFolder) -> None:
    needed = [folder.place("report", "scores"), folder.place("train", "model"), folder.path / "judgements"]
    if missing := [str(path.relative_to(folder.path)) for path in needed if not path.exists()]:
        raise InputError(
            f"run {folder.id} is not finished: it lacks {', '.join(missing)}",
            expected="a run whose steps have all ended",
            fix=f"finish it: gukbap run --resume {folder.id} --runs {folder.path.parent}",
        )


def _model_uri(folder: RunFolder, recipe: Recipe, tracking: str) -> str:
    """Where others reach the model: a server registers no path of this machine."""
    model = folder.place("train", "model")
    if tracking.startswith("http") and recipe.store.url and recipe.store.url.startswith("s3://"):
        return f"{recipe.store.url.rstrip('/')}/{folder.id}/{model.relative_to(folder.path)}"
    return str(model)
