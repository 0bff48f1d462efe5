"""A chat model on a server that this process has started for itself alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.config import Endpoint
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message


class OwnServerChat:
    """Asks a server on loopback, under a key that nobody else has; what starts and ends it is a subclass's.

    Args:
        base_url: the server, with its /v1.
        model: the server's name of the model.
        key: the server's.
        endpoint: concurrency, timeout and retries.
        name: the model's identity.
    """

    def __init__(self, base_url: str, model: str, key: str, endpoint: Endpoint, name: str) -> None:
        self._chat = OpenAIChat(
            base_url,
            model,
            api_key=key,
            concurrency=endpoint.concurrency,
            timeout_seconds=endpoint.timeout_seconds,
            max_retries=endpoint.max_retries,
            name=name,
            use_proxy=False,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def name(self) -> str:
        """The model's identity as it is written into data and reports."""
        return self._chat.name

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self._chat.concurrency

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Send one conversation to the server; raises as OpenAIChat does."""
        completion = await self._chat.complete(messages, sampling)
        # Its port is another one in every run, and says nothing of who replied.
        return replace(completion, host=None)
