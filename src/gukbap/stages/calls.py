"""Chat calls that are paid for once: each reply is journalled before it counts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar

from gukbap.errors import GukbapError
from gukbap.files import canonical_json, nfc, sha256_text
from gukbap.journal import Journal
from gukbap.ports import ChatModel, Completion, Sampling
from gukbap.schemas import Message
from gukbap.stages.batch import Pending, PendingError
from gukbap.stages.budget import Wallet

#: when a reply was had, in the journal's entry
_TIME = "time"
#: pieces of work under way for each call that the model takes at once: while some wait for the disk, as many
#: are with the model
WORK_FOR_A_CALL = 2
#: how long a group of entries gathers before it is written: a thread and a sync for each few calls cost more
GATHERING_SECONDS = 0.003

Item = TypeVar("Item")
Result = TypeVar("Result")


def messages_sha256(messages: Sequence[Message]) -> str:
    """The SHA-256 of a conversation as it is sent, as 64 hexadecimal digits."""
    return sha256_text(_conversation(tuple(messages)))


# A call's conversation is wanted for its key and for the row that it makes.
@lru_cache(maxsize=1024)
def _conversation(messages: tuple[Message, ...]) -> str:
    return canonical_json([{"role": message.role, "content": message.content} for message in messages])


def text_sha256(text: str) -> str:
    """The SHA-256 of a text as rows hold it: in normal form C, without spaces around it."""
    return sha256_text(nfc(text).strip())


def journal_entry(completion: Completion) -> dict[str, Any]:
    """A reply as the journal keeps it, with the time: in the rows that would make equal runs differ."""
    return {**vars(completion), _TIME: datetime.now(UTC).isoformat(timespec="seconds")}


class RecordedCalls:
    """A chat model whose replies are kept in a journal.

    A call's key covers everything its reply depends on: the model, the messages, the sampling and
    what the call is for (row, round, attempt). A call that the journal holds is not sent again, so
    a killed run goes on where it was and the order of completion does not matter. Equal calls that
    are under way at once are sent once.

    Args:
        model: who replies.
        journal: where replies are kept; one counts only when it is on the disk.
        cache: replies of other work to the same calls, looked up where the journal has none.
        wallet: what the calls may come to; without one there is no limit.
        revision: of the model's weights, where it is known: another revision is asked anew.
    """

    def __init__(
        self,
        model: ChatModel,
        journal: Journal,
        cache: Journal | None = None,
        *,
        wallet: Wallet | None = None,
        revision: str | None = None,
    ) -> None:
        self.model, self.journal, self._cache, self._wallet = model, journal, cache, wallet
        self._identity: str | list[str] = model.name if revision is None else [model.name, revision]
        #: where calls are noted instead of sent; None: they are sent
        self.pending: Pending | None = None
        #: calls sent, tries that failed on the way, and calls answered by the journal or the cache
        self.sent = self.retried = self.reused = 0
        self.prompt_tokens = self.completion_tokens = 0
        self._kept = _GroupCommit([journal, cache] if cache is not None else [journal])
        self._sending = asyncio.Semaphore(model.concurrency)
        self._under_way: dict[str, asyncio.Future[None]] = {}

    @property
    def work_at_once(self) -> int:
        """How many pieces of work keep the model busy."""
        return WORK_FOR_A_CALL * self.model.concurrency

    def key(self, messages: Sequence[Message], sampling: Sampling, purpose: str) -> str:
        """The deterministic key of a call."""
        # The canonical JSON of the list of these four.
        identity, drawing, name = map(canonical_json, (self._identity, vars(sampling), purpose))
        return sha256_text(f"[{identity},{_conversation(tuple(messages))},{drawing},{name}]")

    async def complete(
        self, messages: Sequence[Message], sampling: Sampling, purpose: str
    ) -> tuple[str, Completion]:
        """The key and the reply of a call, from the journal where it is there."""
        key = self.key(messages, sampling, purpose)
        while (other := self._under_way.get(key)) is not None:
            await asyncio.wait([other])
        mine = self._under_way[key] = asyncio.get_running_loop().create_future()
        try:
            completion = await self._recorded(key)
            if completion is None and self.pending is not None:
                self.pending.add(key, messages, sampling)
                raise PendingError(f"the reply to {purpose} is not there yet")
            completion = completion or await self._sent(key, messages, sampling)
        finally:
            del self._under_way[key]
            mine.set_result(None)
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens
        return key, completion

    async def _recorded(self, key: str) -> Completion | None:
        recorded = self.journal.get(key)
        if recorded is None and self._cache is not None:
            recorded = self._cache.get(key)
        if recorded is None:
            return None
        # Each of the two gets what it lacks: a kill may have come between them.
        await self._kept.record(key, recorded)
        self.reused += 1
        return Completion(**{name: value for name, value in recorded.items() if name != _TIME})

    async def _sent(self, key: str, messages: Sequence[Message], sampling: Sampling) -> Completion:
        # The turn goes to the next call before the reply is on the disk: that wait is not the server's.
        async with self._sending:
            completion = await self._paid(messages, sampling)
        self.sent += 1
        self.retried += completion.tries - 1
        await self._kept.record(key, journal_entry(completion))
        return completion

    async def _paid(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        if self._wallet is None:
            return await self.model.complete(messages, sampling)
        payment = await self._wallet.pay(messages, sampling)
        completion = None
        try:
            completion = await self.model.complete(messages, sampling)
        finally:
            payment.settle(completion)
        return completion


class _GroupCommit:
    """Entries made durable in groups, in a thread: a disk's slow sync stops neither the loop nor others.

    While one group is being written the next one gathers, so a sync serves all that waited for it.
    """

    def __init__(self, journals: Sequence[Journal]) -> None:
        self._journals = journals
        self._gathered: dict[str, Any] = {}
        self._turn = asyncio.Lock()
        #: writes what is gathered when its turn comes; None where nothing is
        self._coming: asyncio.Task[None] | None = None

    async def record(self, key: str, value: Any) -> None:
        """Return when the entry is on the disk, even where the caller is cancelled meanwhile."""
        if all(key in journal for journal in self._journals):
            return
        self._gathered[key] = value
        if self._coming is None:
            self._coming = asyncio.create_task(self._write())
        written = self._coming
        try:
            await asyncio.shield(written)
        except asyncio.CancelledError:
            # What was paid for is kept, though nobody wants it any more.
            await written
            raise

    async def _write(self) -> None:
        await asyncio.sleep(GATHERING_SECONDS)
        async with self._turn:
            group, self._gathered, self._coming = self._gathered, {}, None
            for journal in self._journals:
                missing = {name: value for name, value in group.items() if name not in journal}
                if missing:
                    await asyncio.to_thread(journal.record_all, missing)


async def map_bounded(
    work: Callable[[Item], Awaitable[Result]],
    items: Sequence[Item],
    limit: int,
    take: Callable[[Result], None],
    on_done: Callable[[Result], None] | None = None,
) -> None:
    """Await `work` on every item, at most `limit` at once; `take` gets the results in the items' order, each
    as soon as those before it are there.

    The first error cancels what is still under way and is raised.
    """
    results: dict[int, Result] = {}
    waiting = iter(enumerate(items))
    taken = 0

    # So many workers, not a task for each item: of items there may be hundreds of thousands.
    async def worker() -> None:
        nonlocal taken
        for index, item in waiting:
            results[index] = result = await work(item)
            if on_done:
                on_done(result)
            while taken in results:
                take(results.pop(taken))
                taken += 1

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        known = errors.subgroup(GukbapError)
        raise _first(known or errors) from None


def _first(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
