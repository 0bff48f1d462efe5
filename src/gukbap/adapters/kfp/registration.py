"""A recipe's objects on Kubeflow Pipelines, registered so that a second time changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gukbap import __version__
from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.parameters import typed_values, with_freshness
from gukbap.adapters.kfp.pipelines import (
    Version,
    ensure_experiment,
    ensure_pipeline,
    ensure_version,
    find_experiment,
    find_pipeline,
    is_latest,
    latest_version,
)
from gukbap.adapters.kfp.recurring import RecurringSpec, list_recurring, plan, reconcile
from gukbap.config import Recipe, pipeline_name
from gukbap.errors import UsageError
from gukbap.files import read_text, sha256_text
from gukbap.form import FRESHNESS

_HASH_DIGITS = 12


@dataclass(frozen=True)
class Change:
    """What was done to one object.

    Attributes:
        object: pipeline, version, experiment or recurring run.
        name: its name.
        change: created, unchanged, replaced, removed, restored, enabled, disabled, healed, or none
            (no recurring run is wanted and none was there).
        id: its id; empty where there is none.
    """

    object: str
    name: str
    change: str
    id: str = ""


@dataclass(frozen=True)
class Package:
    """A compiled pipeline.

    Attributes:
        file: the IR as YAML.
        version: the name that its content gives to the version.
        spec: the pipeline spec.
    """

    file: Path
    version: str
    spec: Mapping[str, Any]

    @classmethod
    def read(cls, file: Path) -> Package:
        """Read the IR that kfp's compiler wrote."""
        text = read_text(file)
        documents = [document for document in yaml.safe_load_all(text) if document]
        return cls(file, f"{__version__}-{sha256_text(text)[:_HASH_DIGITS]}", documents[0])


def experiment_name(recipe: Recipe) -> str:
    """The KFP experiment of a recipe's runs."""
    return recipe.schedule.experiment if recipe.schedule else recipe.tracking.experiment


def register(connection: Connection, recipe: Recipe, package: Package) -> tuple[str, Version, list[Change]]:
    """Register a recipe's pipeline and make the compiled one its latest version.

    Returns:
        The pipeline's id, the version, and what was done.
    """
    name = pipeline_name(recipe.name)
    pipeline_id, done = ensure_pipeline(connection, name, recipe.description)
    version, version_done = ensure_version(connection, pipeline_id, package.version, package.file)
    changes = [
        Change("pipeline", name, done, pipeline_id),
        Change("version", version.name, version_done, version.id),
    ]
    return pipeline_id, version, changes


def apply(
    connection: Connection, recipe: Recipe, package: Package, parameters: Mapping[str, str]
) -> list[Change]:
    """Register pipeline, version and experiment, and leave exactly the recurring run that is wanted.

    Each write can be the last one before a crash: the next apply ends the work.

    Args:
        connection: the API.
        recipe: its schedule is the recurring run; without a schedule, there is none.
        package: the compiled pipeline.
        parameters: runtime parameters of scheduled runs, name → text.

    Raises:
        UsageError: a parameter is wrong; nothing was sent.
        ClusterError: the API refuses or fails.
    """
    name = pipeline_name(recipe.name)
    values = scheduled_values(recipe, package, parameters)
    pipeline_id, _, changes = register(connection, recipe, package)
    experiment = experiment_name(recipe)
    experiment_id, done = ensure_experiment(connection, experiment)
    changes.append(Change("experiment", experiment, done, experiment_id))
    wanted = _wanted(recipe, pipeline_id, experiment_id, values)
    run, recurring_done = reconcile(connection, name, wanted)
    return [*changes, Change("recurring run", name, recurring_done, run.id if run else "")]


def preview(
    connection: Connection, recipe: Recipe, package: Package, parameters: Mapping[str, str]
) -> list[Change]:
    """What `apply` would do now; nothing is written."""
    name, experiment = pipeline_name(recipe.name), experiment_name(recipe)
    values = scheduled_values(recipe, package, parameters)
    pipeline_id = find_pipeline(connection, name)
    latest = latest_version(connection, pipeline_id) if pipeline_id else None
    there = is_latest(latest, package.version)
    found = find_experiment(connection, experiment)
    restored = found is not None and found.storage_state == "ARCHIVED"
    existing = list_recurring(connection, name)
    experiment_id = str(found.experiment_id) if found else ""
    wanted = _wanted(recipe, pipeline_id or "", experiment_id, values)
    return [
        Change("pipeline", name, "unchanged" if pipeline_id else "created", pipeline_id or ""),
        Change(
            "version",
            latest.name if there and latest else package.version,
            "unchanged" if there else "created",
            latest.id if there and latest else "",
        ),
        Change(
            "experiment",
            experiment,
            "created" if found is None else "restored" if restored else "unchanged",
            experiment_id,
        ),
        Change("recurring run", name, plan(existing, wanted), existing[0].id if existing else ""),
    ]


def scheduled_values(recipe: Recipe, package: Package, parameters: Mapping[str, str]) -> dict[str, Any]:
    """The runtime parameters of scheduled runs, checked against the compiled pipeline."""
    if recipe.schedule is None:
        if parameters:
            raise UsageError(
                f"--param is for scheduled runs, and the recipe {recipe.name} has no schedule",
                fix=f"set schedule.cron, or start one run: gukbap submit {recipe.name} --param …",
            )
        return {}
    typed = typed_values(parameters, package.spec, pipeline=pipeline_name(recipe.name), set_here=(FRESHNESS,))
    return with_freshness(typed, package.spec)


def _wanted(
    recipe: Recipe, pipeline_id: str, experiment_id: str, values: Mapping[str, Any]
) -> RecurringSpec | None:
    if recipe.schedule is None:
        return None
    return RecurringSpec(
        name=pipeline_name(recipe.name),
        pipeline_id=pipeline_id,
        experiment_id=experiment_id,
        cron=recipe.schedule.cron,
        enabled=recipe.schedule.enabled,
        parameters=values,
    )
