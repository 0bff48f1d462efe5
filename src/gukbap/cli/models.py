"""`gukbap models`: the catalogue of bundled models."""

from __future__ import annotations

import json

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.options import json_option, overrides_option, recipe_argument


@click.group()
def models() -> None:
    """List and fetch the models of the catalogue."""


@models.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """List what bundled://NAME can be, with size and licence."""
    from gukbap.adapters.model_catalogue import load_catalogue

    catalogue = load_catalogue()
    if as_json:
        values = {
            name: entry.model_dump(mode="json", exclude={"sources"}) for name, entry in catalogue.items()
        }
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for name, entry in catalogue.items():
        click.echo(f"bundled://{name}")
        click.echo(f"  {entry.description}, {entry.size / 1e6:,.0f} MB")
        click.echo(f"  licence: {entry.license}, {entry.license_url}")


@models.command()
@recipe_argument
@overrides_option
def fetch(recipe: str, overrides: tuple[str, ...]) -> None:
    """Fetch every model that RECIPE runs on this machine, so that a run needs no network."""
    from gukbap.adapters.model_references import resolve_gguf, resolve_model
    from gukbap.recipes import load_recipe

    checked = load_recipe(recipe, overrides)
    progress = open_progress()
    for endpoint in (checked.teacher, checked.judge.endpoint):
        if endpoint.base_url is None and not endpoint.model.startswith("scripted://"):
            fetch = resolve_gguf if endpoint.vllm is None else resolve_model
            fetch(endpoint.model, progress)
    resolve_model(checked.student.model, progress)
    progress.say(f"every model of {checked.name} is on this machine")
