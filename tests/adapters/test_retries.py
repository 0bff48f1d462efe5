"""Which failures are tried again, and after which pause."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gukbap.adapters.http_json import SilentError, StatusError, UnreachableError
from gukbap.adapters.retries import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    LONGEST_WAIT_SECONDS,
    NoChoiceError,
    Retries,
    is_passing,
    retry_after,
)


def failed(status: int, code: str | None = None, retry_after: str = "") -> StatusError:
    """What is raised for a reply with this status."""
    return StatusError(status, "made up", code, retry_after)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert is_passing(failed(status))


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 413, 422])
def test_what_cannot_pass_is_not(status: int) -> None:
    assert not is_passing(failed(status))
    assert Retries(5).pause_after(failed(status)) is None


def test_broken_connections_and_replies_are_tried_again_and_an_empty_account_is_not() -> None:
    assert is_passing(UnreachableError())
    assert is_passing(SilentError())
    assert is_passing(NoChoiceError())
    assert not is_passing(ValueError("a wrong argument"))
    assert not is_passing(failed(429, code="insufficient_quota"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("0.25", 0.25),
        ("90", 90.0),  # the official client takes this for none
        ("1e9", LONGEST_RETRY_AFTER_SECONDS),
        ("inf", LONGEST_RETRY_AFTER_SECONDS),
        ("-3", 0.0),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read(value: str, seconds: float | None) -> None:
    assert retry_after(failed(429, retry_after=value)) == seconds


def test_retry_after_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert retry_after(failed(503, retry_after=date)) == pytest.approx(99, abs=3)


def test_a_busy_server_is_waited_for_without_using_up_the_tries() -> None:
    retries = Retries(most=1)
    for _ in range(20):
        assert retries.pause_after(failed(429, retry_after="60")) == 60
    assert retries.pause_after(failed(500)) is not None
    assert retries.pause_after(failed(500)) is None


@pytest.mark.parametrize("after", ["60", "0", ""])
def test_the_wait_for_a_busy_server_ends(after: str) -> None:
    retries, waited = Retries(most=0), 0.0
    for _ in range(1000):
        pause = retries.pause_after(failed(429, retry_after=after))
        if pause is None:
            break
        waited += pause
    assert LONGEST_WAIT_SECONDS - 60 <= waited <= LONGEST_WAIT_SECONDS


def test_pauses_grow_to_a_bound_and_are_drawn() -> None:
    def pauses() -> list[float]:
        retries = Retries(most=12)
        return [retries.pause_after(failed(500)) or 0.0 for _ in range(12)]

    drawn = pauses()
    for number, pause in enumerate(drawn):
        whole = min(FIRST_PAUSE_SECONDS * 2**number, LONGEST_PAUSE_SECONDS)
        assert whole / 2 <= pause <= whole
    assert drawn != pauses()


def test_tries_are_counted() -> None:
    retries = Retries(most=2)
    for error in (failed(429, retry_after="1"), failed(500), failed(502), failed(503)):
        retries.pause_after(error)
    assert retries.tries == 4
