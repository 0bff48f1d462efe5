"""The configuration of a model that is on this machine already; nothing is fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gukbap.adapters.gguf_conversion import CONVERSION
from gukbap.adapters.model_cache import cache_folder
from gukbap.adapters.model_catalogue import catalogue_entry
from gukbap.adapters.random_models import MISTRAL_TINY
from gukbap.errors import InputError
from gukbap.files import read_json


def local_configuration(uri: str) -> dict[str, Any] | None:
    """What stands in the config.json behind a model reference; None where it is not here.

    Raises:
        InputError: the file there is no JSON object.
        ModelError: the catalogue has no such model.
    """
    scheme, _, rest = uri.partition("://")
    if scheme == "random":
        return MISTRAL_TINY if rest.partition("?")[0] == "mistral-tiny" else None
    path = _path(scheme, rest)
    if path is None or not path.is_file():
        return None
    found = read_json(path)
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no JSON object", expected="a model's config.json")
    return found


def model_name(uri: str) -> str:
    """The name under which a model is known: without kind and revision."""
    return uri.partition("://")[2].partition("@")[0]


def _path(scheme: str, rest: str) -> Path | None:
    if scheme == "file":
        return Path(rest).expanduser() / "config.json"
    if scheme == "bundled":
        identity = f"{rest}-{catalogue_entry(rest).sha256[:12]}-v{CONVERSION}"
        return cache_folder() / "transformers" / identity / "config.json"
    if scheme == "hf":
        return _in_hub_cache(rest)
    return None


def _in_hub_cache(reference: str) -> Path | None:
    try:
        from huggingface_hub import try_to_load_from_cache
    except ImportError:  # of the extra `train`, which planning does without
        return None
    repository, _, revision = reference.partition("@")
    found = try_to_load_from_cache(repository, "config.json", revision=revision or None)
    return Path(found) if isinstance(found, str) else None
