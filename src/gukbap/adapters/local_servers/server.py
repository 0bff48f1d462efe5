"""What a server is to those who start and stop it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

#: Variables of the caller that a server is given; keys of other services are none of its business.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Server:
    """One server of a folder.

    Attributes:
        name: in files, logs and answers.
        title: in sentences.
        url: where it answers.
        command: makes what it needs, and gives the arguments that start it.
        environment: of its processes.
        is_ready: whether it really answers now; takes seconds at most.
        secrets: never shown.
    """

    name: str
    title: str
    url: str
    command: Callable[[], Sequence[str]]
    environment: dict[str, str]
    is_ready: Callable[[], bool]
    secrets: tuple[str, ...] = ()

    def hide(self, text: str) -> str:
        """A text without the secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "[hidden]")
        return text


def basic_environment() -> dict[str, str]:
    """What every server's environment has."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}
