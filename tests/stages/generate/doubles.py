"""Test doubles for the generate stage: chat models on a string and a silent progress."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gukbap.adapters.scripted_chat import ScriptedChat
from gukbap.config import Endpoint, GenerateConfig, GenerateSettings
from gukbap.errors import EndpointError
from gukbap.ports import Completion, ProgressBar, Sampling
from gukbap.schemas import Message


class SilentBar:
    """A bar that counts and shows nothing."""

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Take no notice."""


class SilentProgress:
    """Progress for tests; keeps what was said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @contextmanager
    def bar(self, label: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
        """A bar that shows nothing."""
        yield SilentBar()

    def say(self, line: str) -> None:
        """Keep the line."""
        self.lines.append(line)


class CountingChat:
    """The scripted model, counted, shuffled in time, and broken after `fail_after` calls."""

    def __init__(
        self, *, concurrency: int = 4, shuffle: int | None = None, fail_after: int | None = None
    ) -> None:
        self._inner = ScriptedChat(concurrency)
        self._delays = None if shuffle is None else random.Random(shuffle)
        self._fail_after = fail_after
        self.calls: list[str] = []

    @property
    def name(self) -> str:
        """The scripted model's name."""
        return self._inner.name

    @property
    def concurrency(self) -> int:
        """The scripted model's concurrency."""
        return self._inner.concurrency

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Reply as the script does, after a while, or fail."""
        if self._fail_after is not None and len(self.calls) >= self._fail_after:
            raise EndpointError("the double fails now")
        self.calls.append(f"{sampling}{messages[-1].content}")
        if self._delays is not None:
            await asyncio.sleep(self._delays.random() / 500)
        return await self._inner.complete(messages, sampling)


class FixedChat:
    """Replies by the kind of call: rewrite, verdict, answer."""

    name = "fixed"
    concurrency = 2

    def __init__(self, rewrite: str, verdict: str = "다름", answer: str = "답은 셋입니다.") -> None:
        self._rewrite, self._verdict, self._answer = rewrite, verdict, answer

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """The fixed reply of the call's kind."""
        system = messages[0].content
        text = self._rewrite if "편집자" in system else self._verdict if "판정" in system else self._answer
        return Completion(text, "stop", 10, 5)


def settings(seed: int = 42, concurrency: int = 4, **generate: object) -> GenerateSettings:
    """Settings of the stage with the given generate values."""
    return GenerateSettings(
        seed=seed,
        teacher=Endpoint(model="scripted://teacher", concurrency=concurrency),
        generate=GenerateConfig.model_validate({"rounds": 1, **generate}),
    )
