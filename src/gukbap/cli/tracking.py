"""Which MLflow the commands mean."""

from __future__ import annotations

import os
from pathlib import Path

from gukbap.config import Recipe
from gukbap.errors import UsageError
from gukbap.handover import TRACKING_URI


def default_tracking_uri(runs: Path) -> str:
    """The SQLite file beside the runs, which `mlflow ui` shows."""
    return f"sqlite:///{runs.resolve() / 'mlflow.sqlite3'}"


def registry_uri(runs: Path, recipe: Recipe) -> str | None:
    """The MLflow that a run of the recipe on this machine promotes in; None where there is none yet."""
    if not recipe.tracking.enabled:
        return None
    try:
        return tracking_uri(runs, recipe)
    except UsageError:
        return None


def tracking_uri(runs: Path, recipe: Recipe | None = None) -> str:
    """The MLflow that is there: of the environment, of a recipe, or the file beside the runs.

    Raises:
        UsageError: there is none.
    """
    named = os.environ.get(TRACKING_URI) or (recipe.tracking.uri if recipe else None)
    if named:
        return named
    uri = default_tracking_uri(runs)
    if not Path(uri.removeprefix("sqlite:///")).exists():
        raise UsageError(
            f"there is no MLflow: {TRACKING_URI} is not set, and {runs} has no mlflow.sqlite3",
            fix=f"export {TRACKING_URI}=http://…, or name the folder of the runs with --runs",
        )
    return uri
