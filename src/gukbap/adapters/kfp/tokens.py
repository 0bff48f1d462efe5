"""The bearer token: from a file that may change at any time, and never in any text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gukbap.adapters.redaction import HIDDEN, redacted
from gukbap.errors import UsageError

#: names and place that the KFP SDK gives the projected service-account token (kfp.client, KFP 2.14+)
TOKEN_PATH_VARIABLE = "KF_PIPELINES_SA_TOKEN_PATH"  # noqa: S105 - a variable's name
PROJECTED_TOKEN = Path("/var/run/secrets/kubeflow/pipelines/token")

#: tokens of the past that are still kept out of texts: a rotated one stays valid for a while
_REMEMBERED = 8


class TokenFile:
    """A file with one bearer token, read anew for each request: kubelet replaces such files.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: list[str] = []

    def read(self) -> str:
        """The token now; UsageError, without the token, where the file holds none."""
        try:
            token = self.path.read_bytes().strip().decode("ascii")
        except OSError as error:
            raise UsageError(
                f"the token file {self.path} cannot be read: {error.strerror}",
                expected="a file with one bearer token",
            ) from None
        except UnicodeDecodeError:
            token = ""
        # A line break in a header would make http.client raise an error that quotes the token.
        if not token or not all(33 <= ord(sign) <= 126 for sign in token):
            raise UsageError(
                f"the token file {self.path} holds no bearer token",
                expected="one line of printable ASCII without spaces",
            )
        if token not in self._seen:
            self._seen = [*self._seen, token][-_REMEMBERED:]
        return token

    def refresh(self, configuration: Any) -> None:
        """Hand the token of now to a kfp_server_api configuration (its refresh_api_key_hook)."""
        configuration.api_key["authorization"] = self.read()

    def hide(self, text: str) -> str:
        """A text without any token that this file has held."""
        for token in self._seen:
            text = text.replace(token, HIDDEN)
        return text


def find_token(token_file: Path | None) -> TokenFile | None:
    """The token to use: the named file, or the projected one where a pod has it, or none."""
    if token_file is not None:
        return TokenFile(token_file)
    named = os.environ.get(TOKEN_PATH_VARIABLE)
    if named:
        return TokenFile(Path(named))
    return TokenFile(PROJECTED_TOKEN) if PROJECTED_TOKEN.exists() else None


def hidden_in(text: str, token: TokenFile | None) -> str:
    """A text without the token and without other secrets."""
    return redacted(token.hide(text) if token else text)
