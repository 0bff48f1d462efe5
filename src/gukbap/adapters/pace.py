"""When the next call to a chat server may begin: what it can take at once, and in a minute.

The number of calls under way adapts as TCP's congestion window does (additive increase, multiplicative
decrease; Chiu and Jain 1989): a busy reply halves it, every round of good ones adds a call, up to what the
recipe allows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

#: Busy replies that come closer together than this are one server's one complaint.
ONE_COMPLAINT_SECONDS = 1.0
#: So many tries that fail in a row, of whichever calls, mean that the server is down: then it is left alone,
#: each time twice as long, and asked again with one call.
FAILURES_OF_A_SERVER_DOWN = 10
FIRST_REST_SECONDS = 2.0
LONGEST_REST_SECONDS = 60.0
_MINUTE = 60.0


@dataclass
class _Start:
    at: float
    tokens: int


class Pace:
    """The pace of the calls to one server. Each try of a call begins with `begin` and ends with one of
    `succeeded`, `busy`, `failed` and `left`.

    Args:
        concurrency: calls under way at once, at most.
        requests_per_minute: None for no limit.
        tokens_per_minute: of prompts and replies together; None for no limit.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        concurrency: int,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most, self._allowed = concurrency, float(concurrency)
        self._requests, self._tokens = requests_per_minute, tokens_per_minute
        self._clock = clock
        self._under_way = self._coming = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._starts: deque[_Start] = deque()
        self._held_until = self._complained = 0.0
        self._failures = 0
        self._rest = FIRST_REST_SECONDS

    @property
    def allowed(self) -> int:
        """How many calls may be under way now."""
        return 1 if self.down else max(1, int(self._allowed))

    @property
    def down(self) -> bool:
        """Whether the server has failed so often in a row that it counts as down."""
        return self._failures >= FAILURES_OF_A_SERVER_DOWN

    @property
    def load(self) -> float:
        """Calls under way and waiting as a share of those allowed; far over 1 where it is left alone."""
        alone = self._held_until > self._clock()
        return (self._under_way + self._coming) / self.allowed + (self._most if alone else 0)

    async def begin(self, tokens: int) -> _Start:
        """Wait for a turn; the call must be ended with what is returned.

        Args:
            tokens: what the call can take at most, or as many as a minute has, whichever is less.
        """
        tokens = tokens if self._tokens is None else min(tokens, self._tokens)
        self._coming += 1
        try:
            await self._free(tokens)
        finally:
            self._coming -= 1
        self._under_way += 1
        start = _Start(self._clock(), tokens)
        if self._requests is not None or self._tokens is not None:
            self._starts.append(start)
        return start

    async def _free(self, tokens: int) -> None:
        while True:
            if self._under_way >= self.allowed:
                await self._turn()
            elif (wait := self._seconds_to_wait(tokens)) > 0:
                await asyncio.sleep(wait)
            else:
                return

    def succeeded(self, start: _Start, tokens: int) -> None:
        """The server answered, and the call took so many tokens."""
        start.tokens = tokens
        self._failures, self._rest = 0, FIRST_REST_SECONDS
        self._allowed = min(float(self._most), self._allowed + 1 / self._allowed)
        self._end()

    def busy(self, start: _Start, pause: float) -> None:
        """The server asked to be left alone for so many seconds."""
        start.tokens = 0
        now = self._clock()
        if now - self._complained >= ONE_COMPLAINT_SECONDS:
            self._allowed = max(1.0, self._allowed / 2)
            self._complained = now
        self._held_until = max(self._held_until, now + pause)
        self._end()

    def failed(self, start: _Start) -> None:
        """The server did not answer, or with a fault of its own."""
        start.tokens = 0
        self._failures += 1
        if self.down:
            self._held_until = max(self._held_until, self._clock() + self._rest)
            self._rest = min(2 * self._rest, LONGEST_REST_SECONDS)
        self._end()

    def left(self, start: _Start) -> None:
        """The call ended for a reason that says nothing of the server."""
        start.tokens = 0
        self._end()

    def _end(self) -> None:
        self._under_way -= 1
        self._wake()

    def _wake(self) -> None:
        free = self.allowed - self._under_way
        while self._waiting and free > 0:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                free -= 1

    async def _turn(self) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._wake()  # the turn is another one's
            raise

    def _seconds_to_wait(self, tokens: int) -> float:
        now = self._clock()
        while self._starts and self._starts[0].at <= now - _MINUTE:
            self._starts.popleft()
        wait = self._held_until - now
        if self._starts and self._minute_is_full(tokens):
            wait = max(wait, self._starts[0].at + _MINUTE - now)
        return wait

    def _minute_is_full(self, tokens: int) -> bool:
        if self._requests is not None and len(self._starts) >= self._requests:
            return True
        spent = sum(start.tokens for start in self._starts)
        return self._tokens is not None and spent + tokens > self._tokens
