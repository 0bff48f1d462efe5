"""Pipelines, their versions, and experiments: found by name, made where they are missing.

Names of pipelines (in a namespace), of versions (in a pipeline) and of experiments are unique in KFP:
when two make one at the same time, one gets 409 ALREADY_EXISTS and takes what the other has made.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from gukbap.adapters.kfp.connection import Connection, by_field
from gukbap.adapters.kfp.errors import ConflictError, MissingError
from gukbap.config import NAME_PREFIX, pipeline_name
from gukbap.errors import ClusterError, UsageError

Done = Literal["created", "unchanged", "restored"]

_ARCHIVED = "ARCHIVED"
#: KFP counts creation in seconds: two versions of one second have no order that we could choose
_SECOND = 1.1
_UPLOAD_ATTEMPTS = 5


@dataclass(frozen=True)
class Version:
    """A pipeline version.

    Attributes:
        id, name: its id and its unique name in the pipeline.
        spec: the IR as the API stores it.
    """

    id: str
    name: str
    spec: dict[str, Any]


def find_pipeline(connection: Connection, name: str) -> str | None:
    """The id of the pipeline with this name, or None."""
    try:
        found = connection.call(
            f"to find the pipeline {name}",
            connection.pipelines.pipeline_service_get_pipeline_by_name,
            name,
            namespace=connection.namespace,
        )
    except MissingError:
        return None
    return str(found.pipeline_id)


def need_pipeline(connection: Connection, recipe: str) -> str:
    """The id of a recipe's pipeline; ClusterError, with what to do, where it is not registered."""
    found = find_pipeline(connection, pipeline_name(recipe))
    if found is None:
        raise ClusterError(
            f"the pipeline {pipeline_name(recipe)} is not registered at {connection.endpoint}",
            fix=f"gukbap apply {recipe}",
        )
    return found


def project_pipelines(connection: Connection) -> dict[str, str]:
    """Id → name of all pipelines of this project."""
    found = connection.every(
        "to list pipelines",
        connection.pipelines.pipeline_service_list_pipelines,
        "pipelines",
        namespace=connection.namespace,
        filter=by_field("name", NAME_PREFIX, "IS_SUBSTRING"),
    )
    names = {str(pipeline.pipeline_id): str(pipeline.name or pipeline.display_name) for pipeline in found}
    return {id_: name for id_, name in names.items() if name.startswith(NAME_PREFIX)}


def ensure_pipeline(connection: Connection, name: str, description: str) -> tuple[str, Done]:
    """Find the pipeline or make it; returns its id and what was done."""
    found = find_pipeline(connection, name)
    if found is not None:
        return found, "unchanged"
    body = connection.api.V2beta1Pipeline(
        name=name, display_name=name, description=description, namespace=connection.namespace
    )
    try:
        made = connection.call(
            f"to create the pipeline {name}",
            connection.pipelines.pipeline_service_create_pipeline,
            body,
        )
    except ConflictError:
        found = find_pipeline(connection, name)
        if found is None:
            raise
        return found, "unchanged"
    return str(made.pipeline_id), "created"


def latest_version(connection: Connection, pipeline_id: str) -> Version | None:
    """The version that a run without a version gets.

    The server takes the newest by (created_at, id); this list call sorts by the same two columns.
    """
    page = connection.call(
        "to find the latest pipeline version",
        connection.pipelines.pipeline_service_list_pipeline_versions,
        pipeline_id,
        sort_by="created_at desc",
        page_size=1,
    )
    return _version(page.pipeline_versions[0]) if page.pipeline_versions else None


def named_version(connection: Connection, pipeline_id: str, name: str) -> Version:
    """The version with this name; UsageError, with the newest names, where there is none."""
    page = connection.call(
        f"to find the pipeline version {name}",
        connection.pipelines.pipeline_service_list_pipeline_versions,
        pipeline_id,
        filter=by_field("name", name),
    )
    if page.pipeline_versions:
        return _version(page.pipeline_versions[0])
    newest = connection.call(
        "to list pipeline versions",
        connection.pipelines.pipeline_service_list_pipeline_versions,
        pipeline_id,
        sort_by="created_at desc",
        page_size=10,
    )
    names = [_version(version).name for version in newest.pipeline_versions or []]
    raise UsageError(
        f"the pipeline has no version {name!r}",
        expected=f"latest, or one of {', '.join(names) or 'none yet'}",
    )


def is_latest(latest: Version | None, base: str) -> bool:
    """Whether the latest version is this content: `base`, or a later upload of it (`base`-2, …)."""
    return latest is not None and re.fullmatch(rf"{re.escape(base)}(-\d+)?", latest.name) is not None


def ensure_version(connection: Connection, pipeline_id: str, base: str, file: Path) -> tuple[Version, Done]:
    """Make the compiled pipeline the latest version, by uploading it where it is not.

    A content that was the latest once, but is no more (a recipe set back), is uploaded again under
    `base`-2, `base`-3, …, for runs and recurring runs without a version follow the newest upload.

    Args:
        pipeline_id: the pipeline.
        base: the version's name, made of its content's hash.
        file: the compiled pipeline.
    """
    done: Done = "unchanged"
    for _ in range(_UPLOAD_ATTEMPTS):
        # The free name first, the latest second: what another uploads in between is then either seen as
        # the latest, or gets us a 409. The other way round, both would be made.
        name = _free_name(connection, pipeline_id, base)
        latest = latest_version(connection, pipeline_id)
        if latest is not None and is_latest(latest, base):
            return latest, done
        if done == "created":
            time.sleep(_SECOND)  # another upload of the same second stands before ours
        try:
            connection.call(
                f"to upload the pipeline version {name}",
                connection.uploads.upload_pipeline_version,
                str(file),
                name=name,
                pipelineid=pipeline_id,
            )
            done = "created"
        except ConflictError:
            continue
    raise ClusterError(
        f"the pipeline version {base} did not become the latest in {_UPLOAD_ATTEMPTS} attempts",
        fix="another process registers other versions of this pipeline; let it finish and try again",
    )


def ensure_experiment(connection: Connection, name: str) -> tuple[str, Done]:
    """Find the experiment, take it out of the archive, or make it; returns its id and what was done."""
    found = find_experiment(connection, name)
    if found is None:
        body = connection.api.V2beta1Experiment(display_name=name, namespace=connection.namespace)
        try:
            made = connection.call(
                f"to create the experiment {name}",
                connection.experiments.experiment_service_create_experiment,
                body,
            )
            return str(made.experiment_id), "created"
        except ConflictError:
            found = find_experiment(connection, name)
            if found is None:
                raise
    if found.storage_state == _ARCHIVED:
        connection.call(
            f"to restore the archived experiment {name}",
            connection.experiments.experiment_service_unarchive_experiment,
            found.experiment_id,
        )
        return str(found.experiment_id), "restored"
    return str(found.experiment_id), "unchanged"


def find_experiment(connection: Connection, name: str) -> Any | None:
    """The experiment with this name, or None."""
    page = connection.call(
        f"to find the experiment {name}",
        connection.experiments.experiment_service_list_experiments,
        namespace=connection.namespace,
        filter=by_field("display_name", name),
    )
    return page.experiments[0] if page.experiments else None


def _free_name(connection: Connection, pipeline_id: str, base: str) -> str:
    taken = {
        _version(version).name
        for version in connection.every(
            "to list pipeline versions",
            connection.pipelines.pipeline_service_list_pipeline_versions,
            "pipeline_versions",
            pipeline_id,
            filter=by_field("name", base, "IS_SUBSTRING"),
        )
    }
    names = (base if number == 1 else f"{base}-{number}" for number in range(1, len(taken) + 2))
    return next(name for name in names if name not in taken)


def _version(version: Any) -> Version:
    spec = version.pipeline_spec if isinstance(version.pipeline_spec, dict) else {}
    return Version(str(version.pipeline_version_id), str(version.name or version.display_name), spec)
