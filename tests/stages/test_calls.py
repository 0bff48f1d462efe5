"""Recorded calls: what counts is on the disk, whatever happens to the disk, the caller or the process."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gukbap.errors import StorageFullError
from gukbap.journal import Journal
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message
from gukbap.stages.calls import RecordedCalls

SAMPLING = Sampling(temperature=0.0, top_p=1.0, max_tokens=8, seed=1)


class Echo:
    """Replies with the last message, after the given number of tries."""

    name = "echo"
    concurrency = 8

    def __init__(self, tries: int = 1) -> None:
        self.asked: list[str] = []
        self._tries = tries

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        self.asked.append(messages[-1].content)
        await asyncio.sleep(0)
        return Completion(messages[-1].content, "stop", 1, 1, tries=self._tries)


class SlowDisk(Journal):
    """A journal whose writes wait until they are let through, and then may find the disk full."""

    def __init__(self, path: Path, *, full: bool = False) -> None:
        super().__init__(path)
        self.let_through = threading.Event()
        self.groups: list[int] = []
        self._full = full

    def record_all(self, entries: Mapping[str, Any]) -> None:
        assert self.let_through.wait(10)
        self.groups.append(len(entries))
        if self._full:
            raise StorageFullError("no space left")
        super().record_all(entries)


async def ask(calls: RecordedCalls, text: str) -> str:
    _, completion = await calls.complete([Message(role="user", content=text)], SAMPLING, "test")
    return completion.text


def test_a_call_s_key_covers_all_that_its_reply_depends_on(tmp_path: Path) -> None:
    with Journal(tmp_path / "calls.jsonl") as journal:
        calls = [RecordedCalls(Echo(), journal, revision=revision) for revision in (None, "a", "b")]
        one, other = ([Message(role="user", content=text)] for text in ("하나", "둘"))
        keys = [
            *(each.key(one, SAMPLING, "row 1") for each in calls),
            calls[0].key(other, SAMPLING, "row 1"),
            calls[0].key(one, SAMPLING, "row 2"),
            calls[0].key(one, replace(SAMPLING, seed=2), "row 1"),
        ]
    assert len(set(keys)) == len(keys)
    assert calls[1].key(one, SAMPLING, "row 1") == keys[1]


def test_replies_that_come_while_the_disk_is_busy_are_written_together(tmp_path: Path) -> None:
    async def many(journal: SlowDisk) -> None:
        calls = RecordedCalls(Echo(), journal)
        asked = [asyncio.ensure_future(ask(calls, str(number))) for number in range(20)]
        for _ in range(50):
            await asyncio.sleep(0)
        # Nothing counts before it is durable, and the loop is free meanwhile.
        assert not any(task.done() for task in asked)
        journal.let_through.set()
        assert await asyncio.gather(*asked) == [str(number) for number in range(20)]

    with SlowDisk(tmp_path / "calls.jsonl") as journal:
        asyncio.run(many(journal))
        assert len(journal) == 20
        assert len(journal.groups) <= 3


def test_no_reply_counts_that_a_full_disk_did_not_take(tmp_path: Path) -> None:
    async def many(journal: SlowDisk) -> list[str | BaseException]:
        calls = RecordedCalls(Echo(), journal)
        asked = [asyncio.ensure_future(ask(calls, str(number))) for number in range(6)]
        await asyncio.sleep(0.01)
        journal.let_through.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    with SlowDisk(tmp_path / "calls.jsonl", full=True) as journal:
        found = asyncio.run(many(journal))
    assert [type(one) for one in found] == [StorageFullError] * 6


def test_a_reply_that_was_paid_for_is_kept_though_its_caller_is_cancelled(tmp_path: Path) -> None:
    async def cancelled(journal: SlowDisk) -> None:
        asked = asyncio.ensure_future(ask(RecordedCalls(Echo(), journal), "paid"))
        await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.sleep(0.01)
        assert not asked.done()
        journal.let_through.set()
        with pytest.raises(asyncio.CancelledError):
            await asked

    with SlowDisk(tmp_path / "calls.jsonl") as journal:
        asyncio.run(cancelled(journal))
        assert len(journal) == 1


@pytest.mark.parametrize("lacking", ["journal", "cache"])
def test_what_one_of_journal_and_cache_lacks_it_gets_from_the_other(tmp_path: Path, lacking: str) -> None:
    paths = {name: tmp_path / f"{name}.jsonl" for name in ("journal", "cache")}

    def once() -> RecordedCalls:
        with Journal(paths["journal"]) as journal, Journal(paths["cache"], shared=True) as cache:
            calls = RecordedCalls(Echo(), journal, cache)
            assert asyncio.run(ask(calls, "a")) == "a"
        return calls

    assert (once().sent, once().sent) == (1, 0)
    whole = {name: path.read_bytes() for name, path in paths.items()}
    paths[lacking].write_bytes(b"")
    again = once()
    assert (again.sent, again.reused) == (0, 1)
    assert {name: path.read_bytes() for name, path in paths.items()} == whole


def test_failed_tries_are_counted_for_calls_that_were_sent_alone(tmp_path: Path) -> None:
    with Journal(tmp_path / "calls.jsonl") as journal:
        first, second = (RecordedCalls(Echo(tries=3), journal) for _ in range(2))
        assert asyncio.run(ask(first, "a")) == asyncio.run(ask(second, "a"))
    assert (first.sent, first.retried, first.reused) == (1, 2, 0)
    assert (second.sent, second.retried, second.reused) == (0, 0, 1)
