"""Chat calls that are paid for once: each reply is journalled before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from typing import TypeVar

from gukbap.errors import GukbapError
from gukbap.files import Journal, canonical_json, sha256_text
from gukbap.ports import ChatModel, Completion, Sampling
from gukbap.schemas import Message

Item = TypeVar("Item")
Result = TypeVar("Result")


class RecordedCalls:
    """A chat model whose replies are kept in a journal.

    A call's key covers everything its reply depends on: the model, the messages, the sampling and
    what the call is for (row, round, attempt). A call that the journal holds is not sent again, so
    a killed run goes on where it was and the order of completion does not matter.
    """

    def __init__(self, model: ChatModel, journal: Journal) -> None:
        self.model, self.journal = model, journal
        #: calls sent, and calls answered by the journal
        self.sent = self.reused = 0
        self.prompt_tokens = self.completion_tokens = 0

    def key(self, messages: Sequence[Message], sampling: Sampling, purpose: str) -> str:
        """The deterministic key of a call."""
        conversation = [message.model_dump() for message in messages]
        return sha256_text(canonical_json([self.model.name, conversation, asdict(sampling), purpose]))

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, purpose: str
    ) -> tuple[str, Completion]:
        """The key and the reply of a call, from the journal where it is there."""
        key = self.key(messages, sampling, purpose)
        recorded = self.journal.get(key)
        if recorded is not None:
            self.reused += 1
            completion = Completion(**recorded)
        else:
            completion = await self.model.complete(messages, sampling)
            self.journal.record(key, asdict(completion))
            self.sent += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        return key, completion


async def map_bounded(
    work: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    limit: int,
    on_done: Callable[[Result], None] | None = None,
) -> list[Result]:
    """Await `work` on every item, at most `limit` at once; the results keep the items' order.

    The first error cancels what is still under way and is raised.
    """
    gate = asyncio.Semaphore(limit)

    async def one(item: Item) -> Result:
        async with gate:
            result = await work(item)
        if on_done:
            on_done(result)
        return result

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as errors:
        known = errors.subgroup(GukbapError)
        raise _first(known or errors) from None
    return [task.result() for task in tasks]


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
