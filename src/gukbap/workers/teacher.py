"""What a run's rows say of their teacher."""

from __future__ import annotations

from gukbap.config import Endpoint
from gukbap.errors import ConfigError
from gukbap.files import sha256_file
from gukbap.ports import Progress
from gukbap.schemas import Teacher

#: what the script's own sentences stand under; no model wrote them
_SCRIPT_LICENCE = "Apache-2.0"


def teacher_of(endpoint: Endpoint, name: str, progress: Progress) -> Teacher:
    """The teacher behind an endpoint, with its weights and their licence.

    Args:
        endpoint: the recipe's teacher.
        name: how the opened model calls itself.
        progress: where it is told that a file is fetched.

    Raises:
        ConfigError: its licence is neither in the catalogue nor in the recipe.
    """
    from gukbap.adapters.model_catalogue import catalogue_entry
    from gukbap.adapters.model_references import model_fingerprint, resolve_gguf, resolve_model

    revision, licence = endpoint.revision, endpoint.licence
    if endpoint.vllm is not None and not endpoint.model.startswith("bundled://"):
        folder = resolve_model(endpoint.model, progress)
        pinned = endpoint.model.partition("@")[2] if endpoint.model.startswith("hf://") else ""
        revision = revision or pinned or f"sha256:{model_fingerprint(folder)}"
    elif endpoint.base_url is None:
        kind, _, rest = endpoint.model.partition("://")
        if kind == "scripted":
            licence = licence or _SCRIPT_LICENCE
        elif kind == "bundled":
            entry = catalogue_entry(rest)
            revision, licence = f"sha256:{entry.sha256}", licence or entry.license
        else:
            revision = f"sha256:{sha256_file(resolve_gguf(endpoint.model, progress))}"
    if licence is None:
        raise ConfigError(
            f"the licence of {endpoint.model} is not stated",
            expected="teacher.licence in the recipe",
            fix="read the licence of its weights, and state it: every row carries it",
        )
    return Teacher(model=name, revision=revision, licence=licence)
