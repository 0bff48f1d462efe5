"""What the calls of a stage may come to, and what they have come to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import BudgetConfig, Endpoint
from gukbap.errors import BudgetError
from gukbap.journal import Journal
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message

#: Tokens of a character of Korean text at most. Mistral's tokenizer takes 0.84, Gemma's 0.44 (platform
#: facts, "Training"); one is on the safe side of both.
TOKENS_PER_CHARACTER = 1.0
#: what a chat template puts around a message
TOKENS_PER_MESSAGE = 8


def prompt_tokens_at_most(messages: Sequence[Message]) -> int:
    """What a conversation takes as a prompt, in tokens, estimated on the safe side."""
    characters = sum(len(message.content) for message in messages)
    return round(characters * TOKENS_PER_CHARACTER) + TOKENS_PER_MESSAGE * len(messages)


@dataclass(frozen=True)
class Spending:
    """Requests, tokens, and what these cost (None: a price is not known)."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Spending) -> Spending:
        return Spending(
            self.requests + other.requests,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
        )

    def __sub__(self, other: Spending) -> Spending:
        return Spending(
            self.requests - other.requests,
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
        )

    @property
    def tokens(self) -> int:
        """Of prompts and replies together."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def of(cls, completion: Completion) -> Spending:
        """What a reply took; tries that failed on the way are requests, too."""
        return cls(completion.tries, completion.prompt_tokens, completion.completion_tokens)


class Wallet:
    """The budget of one stage: a call begins only where the most that it can take still fits.

    What the journal holds was spent by this run before and counts. A call that does not fit waits for
    those under way, which may take less than was set aside for them; where none is under way the budget
    is used up.

    Args:
        budget: the limits.
        endpoint: with the prices of its tokens.
        journal: of the stage's calls.
    """

    def __init__(self, budget: BudgetConfig, endpoint: Endpoint, journal: Journal) -> None:
        self._budget, self._endpoint = budget, endpoint
        self.spent = Spending()
        for recorded in journal.values():
            self.spent += _recorded(recorded)
        self._set_aside = Spending()
        self._settled = asyncio.Event()

    @property
    def cost(self) -> float | None:
        """What was spent, in the currency of the prices; None where a price is not known."""
        return self._cost(self.spent)

    @property
    def note(self) -> str | None:
        """The cost so far, for a progress line; None where it is not known."""
        return None if self.cost is None else f"cost {self.cost:.4f}"

    async def pay(self, messages: Sequence[Message], sampling: Sampling) -> _Payment:
        """Set aside the most that a call can take; the payment has to be settled.

        Raises:
            BudgetError: it does not fit, and no call is under way that could give something back.
        """
        most = Spending(1, prompt_tokens_at_most(messages), sampling.max_tokens or 0)
        while (over := self._over(self.spent + self._set_aside + most)) is not None:
            if not self._set_aside.requests:
                raise self._used_up(*over)
            self._settled.clear()
            await self._settled.wait()
        self._set_aside += most
        return _Payment(self, most)

    def settle(self, most: Spending, completion: Completion | None) -> None:
        """Take what was set aside back, and count what was spent in its place."""
        self._set_aside -= most
        if completion is not None:
            self.spent += Spending.of(completion)
        self._settled.set()

    def _over(self, total: Spending) -> tuple[str, float, float] | None:
        limits: list[tuple[str, float | None, float | None]] = [
            ("max_requests", self._budget.max_requests, total.requests),
            ("max_tokens", self._budget.max_tokens, total.tokens),
            ("max_cost", self._budget.max_cost, self._cost(total)),
        ]
        for name, limit, value in limits:
            if limit is not None and value is not None and value > limit:
                return name, limit, value
        return None

    def _cost(self, spending: Spending) -> float | None:
        return self._endpoint.cost(spending.prompt_tokens, spending.completion_tokens)

    def _used_up(self, name: str, limit: float, value: float) -> BudgetError:
        cost = "" if self.cost is None else f", cost {self.cost:.4f}"
        return BudgetError(
            f"budget.{name} of {limit:g} is used up: {self.spent.requests} requests and "
            f"{self.spent.tokens} tokens{cost} so far, and the next call could bring it to {value:g}",
            fix=f"go on with a larger one: --resume RUN --set budget.{name}=…; every reply that was paid for "
            "is kept and used",
        )


@dataclass(frozen=True)
class _Payment:
    wallet: Wallet
    most: Spending

    def settle(self, completion: Completion | None) -> None:
        """See Wallet.settle."""
        self.wallet.settle(self.most, completion)


def _recorded(entry: dict[str, Any]) -> Spending:
    return Spending(entry.get("tries", 1), entry["prompt_tokens"], entry["completion_tokens"])
