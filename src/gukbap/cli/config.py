"""`gukbap config`: recipes and their schema."""

from __future__ import annotations

import json

import click
import yaml

from gukbap.cli.options import overrides_option, recipe_argument
from gukbap.config import Recipe
from gukbap.recipes import builtin_recipes, load_recipe


@click.group()
def config() -> None:
    """Show recipes and what may stand in them."""


@config.command()
def schema() -> None:
    """Print the JSON schema of a recipe: every key, its type, default and meaning."""
    click.echo(json.dumps(Recipe.model_json_schema(), ensure_ascii=False, indent=2))


@config.command("list")
def list_recipes() -> None:
    """List the recipes of the package."""
    for name in builtin_recipes():
        click.echo(f"{name:22} {load_recipe(name).description}")


@config.command()
@recipe_argument
@overrides_option
def show(recipe: str, overrides: tuple[str, ...]) -> None:
    """Print RECIPE with every default filled in."""
    values = load_recipe(recipe, overrides).model_dump(mode="json")
    click.echo(yaml.safe_dump(values, allow_unicode=True, sort_keys=False), nl=False)
