"""`gukbap compile`: the pipeline as KFP IR."""

from __future__ import annotations

from pathlib import Path

import click

from gukbap.cli.options import overrides_option, recipe_argument
from gukbap.recipes import load_recipe


@click.command()
@recipe_argument
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), required=True)
@overrides_option
def compile(recipe: str, output: Path, overrides: tuple[str, ...]) -> None:
    """Write the Kubeflow pipeline of RECIPE as YAML, ready to upload."""
    from kfp.compiler import Compiler

    from pipelines.gukbap_pipeline import build_pipeline

    output.parent.mkdir(parents=True, exist_ok=True)
    Compiler().compile(build_pipeline(load_recipe(recipe, overrides)), str(output))
    click.echo(f"wrote {output}", err=True)
