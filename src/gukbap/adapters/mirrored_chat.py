"""One model on several servers that share the work."""

from __future__ import annotations

from collections.abc import Sequence

from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.errors import CallFailedError
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message


class MirroredChat:
    """A chat model whose calls go to whichever of its servers has the most room.

    A call that one server fails goes to the next; it fails when all of them have failed it. What is wrong
    with a server for good (a refused key, no such model) stops at once. The first server's name of the
    model is the model's name; each reply says which server gave it.
    """

    def __init__(self, servers: Sequence[OpenAIChat]) -> None:
        self._servers = servers

    def __repr__(self) -> str:
        return f"MirroredChat({list(self._servers)!r})"

    @property
    def name(self) -> str:
        """The model's identity as it is written into data and reports."""
        return self._servers[0].name

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once, on all servers together."""
        return sum(server.concurrency for server in self._servers)

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Send one conversation; errors as OpenAIChat has them, of the last server where all fail."""
        left = list(self._servers)
        while True:
            server = min(left, key=lambda one: one.pace.load)
            left.remove(server)
            try:
                return await server.complete(messages, sampling)
            except CallFailedError:
                if not left:
                    raise
