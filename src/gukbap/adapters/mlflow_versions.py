"""The single calls to MLflow's model registry, each as often as it takes."""

from __future__ import annotations

from typing import Any

from gukbap.adapters.mlflow_errors import again_on_conflict, explained


def make_model(client: Any, name: str) -> None:
    """Make a registered model, unless it is there."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def versions(client: Any, name: str) -> list[Any]:
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


def delete_version(client: Any, name: str, version: Any) -> None:
    """Delete a version, unless its maker was quicker."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_model_version(name, version.version)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def aliases(client: Any, name: str) -> dict[str, int]:
    """Alias → version."""
    return {alias: int(number) for alias, number in client.get_registered_model(name).aliases.items()}


def set_alias(client: Any, name: str, alias: str, number: int) -> None:
    """Lead an alias to a version."""
    again_on_conflict(lambda: client.set_registered_model_alias(name, alias, str(number)))


def drop_alias(client: Any, name: str, alias: str) -> None:
    """Take an alias away; nothing happens where there is none."""
    client.delete_registered_model_alias(name, alias)


def set_tag(client: Any, name: str, number: int, key: str, text: str) -> None:
    """Label a version."""
    again_on_conflict(lambda: client.set_model_version_tag(name, str(number), key, text))


def model_names(client: Any, uri: str) -> list[str]:
    """All registered models.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    found: list[str] = []
    token = None
    with explained(uri):
        while True:
            page = client.search_registered_models(page_token=token)
            found += [model.name for model in page]
            token = page.token
            if not token:
                return sorted(found)
