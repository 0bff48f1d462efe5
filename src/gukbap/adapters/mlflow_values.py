"""Names and values as MLflow takes them, without secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from gukbap.adapters.redaction import HIDDEN, hidden, names_secret, redacted
from gukbap.files import canonical_json

# mlflow.utils.validation: the longest key, parameter and tag that it takes.
MAX_KEY = 250
_MAX_PARAM, _MAX_TAG = 6000, 8000


def safe_name(key: str) -> str:
    """A name that MLflow takes: letters of any script, digits and `_ . - : /`; the rest becomes `_`."""
    text = re.sub(r"[^/\w.\-: ]", "_", unicodedata.normalize("NFC", key)).strip("_/. ")
    return re.sub(r"/{2,}", "/", text)[:MAX_KEY] or "unnamed"


def safe_params(values: Mapping[str, Any]) -> dict[str, str]:
    """Parameters as flat text: nested keys joined by dots, secrets hidden, long values cut."""
    return {safe_name(key): _param_text(key, value) for key, value in _flat(values)}


def safe_tags(values: Mapping[str, str]) -> dict[str, str]:
    """Tags with their secrets hidden and long values cut."""
    return {
        safe_name(key): HIDDEN if names_secret(key) else redacted(str(value))[:_MAX_TAG]
        for key, value in values.items()
    }


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        path = f"{above}.{key}" if above else str(key)
        if isinstance(value, Mapping) and value:
            yield from _flat(value, path)
        else:
            yield path, value


def _param_text(key: str, value: Any) -> str:
    if names_secret(key) and value is not None:
        return HIDDEN
    safe = hidden(value)
    return (safe if isinstance(safe, str) else canonical_json(safe))[:_MAX_PARAM]
