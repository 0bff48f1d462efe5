"""The pace of calls to a server: limits of a minute, busy replies, a server that is down. Clock by hand."""

from __future__ import annotations

import asyncio

import pytest

from gukbap.adapters.pace import (
    FAILURES_OF_A_SERVER_DOWN,
    FIRST_REST_SECONDS,
    LONGEST_REST_SECONDS,
    ONE_COMPLAINT_SECONDS,
    Pace,
)


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        """Let so much time pass at once, and others run."""
        self.now += seconds
        await REAL_SLEEP(0)


REAL_SLEEP = asyncio.sleep


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of pace and of all sleeps."""
    made = Clock()
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    return made


async def _starts(pace: Pace, clock: Clock, count: int, tokens: int = 10) -> list[float]:
    found = []
    for _ in range(count):
        start = await pace.begin(tokens)
        found.append(clock.now)
        pace.succeeded(start, tokens)
    return found


def test_calls_begin_as_soon_as_there_is_room(clock: Clock) -> None:
    async def run() -> tuple[list[float], int]:
        pace = Pace(4, clock=clock)
        begun = []
        for _ in range(4):
            await pace.begin(10)
            begun.append(clock.now)
        waiting = asyncio.ensure_future(pace.begin(10))
        await REAL_SLEEP(0)
        return begun, waiting.cancel()

    begun, waited = asyncio.run(run())
    assert begun == [1000.0] * 4
    assert waited  # the fifth has no room


def test_no_more_calls_in_a_minute_than_the_server_allows(clock: Clock) -> None:
    times = asyncio.run(_starts(Pace(8, requests_per_minute=5, clock=clock), clock, 16))
    for index in range(len(times) - 5):
        assert times[index + 5] - times[index] >= 60 - 1e-6
    assert times[15] - times[0] == pytest.approx(180, abs=1)


def test_no_more_tokens_in_a_minute_than_the_server_allows(clock: Clock) -> None:
    times = asyncio.run(_starts(Pace(8, tokens_per_minute=100, clock=clock), clock, 8, tokens=40))
    for moment in times:
        assert sum(40 for time in times if moment <= time < moment + 60 - 1e-6) <= 100


def test_a_call_that_took_less_makes_room_and_a_huge_one_gets_its_turn(clock: Clock) -> None:
    async def run() -> list[float]:
        pace, found = Pace(8, tokens_per_minute=100, clock=clock), []
        for tokens, took in ((90, 10), (90, 10), (5000, 100)):
            start = await pace.begin(tokens)
            found.append(clock.now)
            pace.succeeded(start, took)
        return found

    first, second, third = asyncio.run(run())
    assert second - first < 1
    assert 59 < third - second <= 61


def test_busy_replies_halve_the_calls_once_and_hold_all_of_them(clock: Clock) -> None:
    async def run() -> None:
        pace = Pace(16, clock=clock)
        started = [await pace.begin(1) for _ in range(16)]
        for start in started:
            pace.busy(start, 7.0)
        assert pace.allowed == 8
        before = clock.now
        again = await pace.begin(1)
        assert clock.now - before >= 7.0
        clock.now += ONE_COMPLAINT_SECONDS
        pace.busy(again, 0.0)
        assert pace.allowed == 4

    asyncio.run(run())


def test_calls_come_back_one_a_round(clock: Clock) -> None:
    async def run() -> list[int]:
        pace = Pace(8, clock=clock)
        pace.busy(await pace.begin(1), 0.0)
        found = []
        for _ in range(40):
            pace.succeeded(await pace.begin(1), 1)
            found.append(pace.allowed)
        return found

    allowed = asyncio.run(run())
    assert allowed[0] == 4
    assert 5 in allowed and 6 in allowed
    assert allowed[-1] == 8
    assert allowed == sorted(allowed)


def test_a_server_that_is_down_is_left_alone_longer_and_longer(clock: Clock) -> None:
    async def run() -> None:
        pace, states = Pace(4, clock=clock), []
        for _ in range(FAILURES_OF_A_SERVER_DOWN):
            states.append(pace.down)
            pace.failed(await pace.begin(1))
        assert states == [False] * FAILURES_OF_A_SERVER_DOWN
        assert pace.down
        assert pace.allowed == 1
        assert pace.load > 1
        rest = FIRST_REST_SECONDS
        for _ in range(8):
            before = clock.now
            start = await pace.begin(1)
            assert clock.now - before == pytest.approx(rest, abs=0.1)
            pace.failed(start)
            rest = min(2 * rest, LONGEST_REST_SECONDS)
        pace.succeeded(await pace.begin(1), 1)
        assert (pace.down, pace.allowed) == (False, 4)

    asyncio.run(run())


def test_waiting_calls_get_their_turn_in_order_and_a_cancelled_one_loses_none(clock: Clock) -> None:
    order: list[int] = []

    async def call(pace: Pace, number: int) -> None:
        start = await pace.begin(1)
        order.append(number)
        await REAL_SLEEP(0.01)
        pace.succeeded(start, 1)

    async def run() -> None:
        pace = Pace(1, clock=clock)
        tasks = [asyncio.create_task(call(pace, number)) for number in range(6)]
        await REAL_SLEEP(0.005)
        tasks[2].cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)

    asyncio.run(run())
    assert order == [0, 1, 3, 4, 5]


def test_a_turn_that_was_given_to_a_cancelled_call_goes_to_the_next(clock: Clock) -> None:
    async def run() -> None:
        pace = Pace(1, clock=clock)
        first = await pace.begin(1)
        second, third = (asyncio.create_task(pace.begin(1)) for _ in range(2))
        await REAL_SLEEP(0)
        pace.succeeded(first, 1)
        second.cancel()
        pace.succeeded(await asyncio.wait_for(third, 5), 1)

    asyncio.run(run())
