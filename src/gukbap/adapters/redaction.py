"""Secrets kept out of parameters, tables, tags and messages."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(
    r"(?i)(password|passwd|secret|credential|api_?key|access_?key|private_?key|(^|[._-])(token|key)$)"
)
_USER_INFO = re.compile(r'(?<=://)[^/\s@"<>(),]+@')
#: a secret among a URL's parameters, as in ?token=… and X-Amz-Signature=…
_QUERY_SECRET = re.compile(
    r"(?i)(?<=[?&])([\w.-]*(?:token|secret|password|credential|signature|api_?key|access_?key)|sig|key)"
    r"=[^&\s#\"'<>(),]+"
)
#: shorter values are too common in ordinary text to be searched for
_LEAST_SECRET_LENGTH = 8


def names_secret(name: str) -> bool:
    """Whether a value under this name is likely a secret; `…_env` holds a variable's name, not its value."""
    return bool(_SECRET_NAME.search(name)) and not name.lower().endswith("_env")


def redacted(text: str) -> str:
    """A text without user:password parts and tokens of URLs and without secrets of the environment."""
    text = _USER_INFO.sub(f"{HIDDEN}@", text)
    text = _QUERY_SECRET.sub(rf"\1={HIDDEN}", text)
    secrets = {
        value
        for name, value in os.environ.items()
        if names_secret(name) and len(value) >= _LEAST_SECRET_LENGTH
    }
    # The longest first: one secret may hold another.
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def hidden(value: Any) -> Any:
    """A JSON value with every secret in it replaced: by its key's name, or inside its texts."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {
            key: HIDDEN if names_secret(str(key)) and item is not None else hidden(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [hidden(item) for item in value]
    return value
