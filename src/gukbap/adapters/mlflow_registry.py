"""MLflow's model registry: a version for each run's model, and aliases by which it is served.

The weights stay where they are: a version holds their URI. Every step may be repeated, and a process
may be killed between any two of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.adapters.mlflow_errors import again_on_conflict, explained
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_tracker import MlflowTracker
from gukbap.adapters.mlflow_values import safe_tags
from gukbap.adapters.redaction import redacted
from gukbap.errors import StoreError

#: the newest registered version
CHALLENGER = "challenger"
#: the newest promoted version
CHAMPION = "champion"
#: the champion before this one, to go back to
PREVIOUS = "previous"
#: set when it is settled that the version stays: a surplus one, soon deleted, must never be the champion
VERDICT_TAG = "gukbap.verdict"
PROMOTED = "promoted"
#: `made` at first, and the verdict once the aliases are set for it: a late retry must not take them back
#: from whoever has them then
_PROMOTION_TAG = "gukbap.promotion"
_MADE = "made"
_MAX_DESCRIPTION = 5000


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and the aliases that lead to it."""

    model: str
    version: int
    source: str
    aliases: tuple[str, ...]


def source_uri(model_uri: str) -> str:
    """Where a model lies, as MLflow's clients understand it.

    Kubeflow Pipelines writes minio://bucket/key for an object of its S3 store; a path of this machine
    becomes a file URI.
    """
    if model_uri.startswith("minio://"):
        return "s3://" + model_uri.removeprefix("minio://")
    if "://" in model_uri:
        return redacted(model_uri)
    return Path(model_uri).absolute().as_uri()


def reason_against(tracker: MlflowTracker, model_uri: str) -> str | None:
    """Why a model cannot be registered there; None where it can be."""
    if tracker.uri.startswith("http") and source_uri(model_uri).startswith("file:"):
        return (
            f"the model lies on this machine alone ({model_uri}), and an MLflow server registers "
            "only what others can reach; name a bucket in store.url"
        )
    return None


def register_model(
    tracker: MlflowTracker,
    name: str,
    *,
    model_uri: str,
    verdict: str,
    description: str,
    tags: Mapping[str, str],
) -> Registered:
    """Register a run's model, or find the version that an earlier attempt has registered.

    `challenger` leads to the newest version, `champion` to the newest whose verdict is `promoted`, and
    `previous` to the champion before it. An alias never goes back to an older version.

    Args:
        tracker: the run that the version belongs to. A run and a source make one version.
        name: of the registered model, made where it is missing.
        model_uri: a folder's path, or s3://, minio://, gs://, ….
        verdict: promoted, held or refused.
        description: what people read beside the version.
        tags: more labels of the version.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    client, source = tracker.client, source_uri(model_uri)
    labels = safe_tags({**tags, VERDICT_TAG: verdict})
    with alone(tracker.uri), explained(tracker.uri):
        _make_model(client, name)
        version = _own_version(client, name, source, tracker.run_id)
        if version is None:
            again_on_conflict(
                lambda: client.create_model_version(
                    name,
                    source,
                    run_id=tracker.run_id,
                    tags={_PROMOTION_TAG: _MADE},
                    description=redacted(description)[:_MAX_DESCRIPTION],
                    await_creation_for=None,
                )
            )
            version = _own_version(client, name, source, tracker.run_id)
            if version is None:
                raise StoreError(f"MLflow does not show the version of {name} that was just made")
        number = int(version.version)
        for key, text in labels.items():
            if version.tags.get(key) != text:
                _set_tag(client, name, number, key, text)
        if version.tags[_PROMOTION_TAG] != verdict:
            _advance(client, name, CHALLENGER, lambda tags: VERDICT_TAG in tags)
            if verdict == PROMOTED:
                _advance(client, name, CHAMPION, lambda tags: tags.get(VERDICT_TAG) == PROMOTED, PREVIOUS)
            _set_tag(client, name, number, _PROMOTION_TAG, verdict)
        aliases = _aliases(client, name)
    return Registered(name, number, source, tuple(sorted(a for a, held in aliases.items() if held == number)))


def _make_model(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _own_version(client: Any, name: str, source: str, run_id: str) -> Any | None:
    """The version of a run and a source, if there is one.

    The registry numbers versions in the order in which they are made, so of two attempts that make one
    each, both see the lower number, and both keep it.
    """
    found = [
        version
        for version in _versions(client, name)
        if version.run_id == run_id and version.source == source and _PROMOTION_TAG in version.tags
    ]
    for surplus in found[1:]:
        _delete(client, name, surplus)
    return found[0] if found else None


def _delete(client: Any, name: str, version: Any) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_model_version(name, version.version)
    except MlflowException as error:
        # Its maker may have been quicker.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _versions(client: Any, name: str) -> list[Any]:
    """All versions of a model, the lowest number first."""
    # MLflow's filter language knows no escape for the quote that encloses a value.
    quote = '"' if "'" in name else "'"
    found: list[Any] = []
    token = None
    while True:
        page = client.search_model_versions(f"name = {quote}{name}{quote}", page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def _aliases(client: Any, name: str) -> dict[str, int]:
    return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}


def _advance(
    client: Any,
    name: str,
    alias: str,
    fits: Callable[[Mapping[str, str]], bool],
    before: str | None = None,
) -> None:
    """Lead an alias to the newest version whose tags fit, and `before` to the one that it led to.

    Another run may do the same meanwhile. Each looks once more after it has written, so whoever is
    last leaves the newest.
    """
    while True:
        newest = max(int(version.version) for version in _versions(client, name) if fits(version.tags))
        held = _aliases(client, name).get(alias, 0)
        if held >= newest:
            return
        if held and before:
            # First: killed in between, the next attempt still finds both.
            _set_alias(client, name, before, held)
        _set_alias(client, name, alias, newest)


def _set_alias(client: Any, name: str, alias: str, number: int) -> None:
    again_on_conflict(lambda: client.set_registered_model_alias(name, alias, str(number)))


def _set_tag(client: Any, name: str, number: int, key: str, text: str) -> None:
    again_on_conflict(lambda: client.set_model_version_tag(name, str(number), key, text))
