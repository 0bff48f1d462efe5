"""What stages ask of the outside world, as small protocols; adapters implement them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from gukbap.schemas import Message

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Sampling:
    """How a chat model draws its reply. `temperature` 0 is greedy; `max_tokens` bounds the reply (None:
    what the model's context leaves); `stop` are strings before which the server ends it."""

    temperature: float
    top_p: float
    max_tokens: int | None
    seed: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Completion:
    """A chat model's reply and what it took, in tokens."""

    text: str
    finish_reason: FinishReason
    prompt_tokens: int
    completion_tokens: int
    #: how often it was asked for, failed and refused tries included
    tries: int = 1
    #: the server that replied; None: this machine's own
    host: str | None = None


class ChatModel(Protocol):
    """A chat model behind an API: a teacher or a judge."""

    @property
    def name(self) -> str:
        """The model's identity as it is written into data and reports."""

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Send one conversation; transient failures are retried inside.

        Raises:
            AuthenticationError: the key or the rights are refused.
            EndpointError: the server cannot be reached or keeps failing.
        """


@dataclass(frozen=True)
class GenerationSettings:
    """How a student answers. LogicKor: temperature 0, stop strings, special tokens skipped."""

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    seed: int = 0


class Generator(Protocol):
    """A student model that answers batches of conversations."""

    @property
    def name(self) -> str:
        """The model's identity as it is written into answers."""

    @property
    def batch_size(self) -> int:
        """How many conversations are worth handing over at once."""

    def generate(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        """Answer each conversation; the replies come in the order of the conversations."""

    def close(self) -> None:
        """Give memory and processes back."""


#: What the names of a stage's series begin with; without it they are its final numbers.
HISTORY = "history."


@dataclass(frozen=True)
class Point:
    """Numbers at one step of their series, measured at `time` (seconds since the epoch; None: now)."""

    step: int
    values: Mapping[str, float]
    time: float | None = None


class Tracker(Protocol):
    """A run of an experiment tracker."""

    @property
    def run_id(self) -> str | None:
        """By which another process opens the same run; None where nothing is kept."""

    def params(self, values: Mapping[str, Any]) -> None:
        """Record parameters, nested keys joined by dots."""

    def metrics(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Record numbers; `step` orders a series."""

    def series(self, points: Sequence[Point]) -> None:
        """Record many points at once. A series has one point a step: the first that is recorded stays,
        whatever a repeated step gives.

        Raises:
            StoreError: the tracker cannot be reached, or refuses; the same points may be given again.
        """

    def tags(self, values: Mapping[str, str]) -> None:
        """Record labels."""

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record rows of equal keys as a table called `name`."""

    def file(self, path: Path) -> None:
        """Record a small file (a report, a configuration); never weights."""


class ObjectStore(Protocol):
    """A place for artifacts: a folder or a bucket. Keys are relative, parts joined by '/'."""

    def put_file(self, source: Path, key: str) -> str:
        """Store a file whole or not at all; returns its URI."""

    def get_file(self, key: str, target: Path) -> None:
        """Fetch a file whole or not at all."""

    def exists(self, key: str) -> bool:
        """Whether there is an object under exactly this key."""

    def list(self, prefix: str) -> list[str]:
        """The keys that begin with `prefix`, sorted."""


class ProgressBar(Protocol):
    """A bar that moves."""

    def advance(self, steps: int = 1, note: str | None = None) -> None:
        """Move on by `steps`; `note` is shown beside the bar (loss, cost, …)."""


class Progress(Protocol):
    """Where stages show how far they are."""

    def bar(self, label: str, total: int | None, done: int = 0) -> AbstractContextManager[ProgressBar]:
        """A bar for `total` steps of which `done` were done in an earlier run."""

    def say(self, line: str) -> None:
        """One line for the person who waits."""
