"""Calls in OpenAI's batch file format, for providers that answer batches (API reference, "Batch").

A stage whose calls go into a file collects those that its journal does not hold, and stops. The provider's
file of results is read into the journal, and the stage goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gukbap.errors import GukbapError
from gukbap.files import canonical_json, read_jsonl, write_text
from gukbap.ports import Sampling
from gukbap.schemas import Message

URL = "/v1/chat/completions"


class PendingError(GukbapError):
    """What goes on depends on calls whose replies are not there yet."""


@dataclass
class Pending:
    """The calls that a stage needs and its journal does not hold.

    Attributes:
        model: the server's name of the model.
        requests: key → the call's body, in the order in which they were needed.
    """

    model: str
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, key: str, messages: Sequence[Message], sampling: Sampling) -> None:
        """Note a call."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [message.model_dump() for message in messages],
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        if sampling.max_tokens is not None:
            body["max_tokens"] = sampling.max_tokens
        self.requests[key] = body

    def write(self, path: Path) -> int:
        """Write the calls as a batch file, sorted by key; returns how many there are."""
        lines = (
            canonical_json({"custom_id": key, "method": "POST", "url": URL, "body": body})
            for key, body in sorted(self.requests.items())
        )
        write_text(path, "".join(f"{line}\n" for line in lines))
        return len(self.requests)


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Response(_Lenient):
    status_code: int
    body: Any = None


class BatchResult(_Lenient):
    """A line of a provider's file of results."""

    custom_id: str
    response: _Response | None = None
    error: Any = None

    @property
    def reply(self) -> Any:
        """The chat completion; None where the call failed."""
        good = self.error is None and self.response is not None and self.response.status_code == 200
        return self.response.body if good and self.response is not None else None


def read_results(path: Path) -> Iterable[BatchResult]:
    """The results of a batch.

    Raises:
        InputError: the file is missing, empty, or a line is none of a file of results.
    """
    return read_jsonl(path, BatchResult)
