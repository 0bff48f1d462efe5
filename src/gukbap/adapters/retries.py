"""When a failed call to a chat server is worth another try, and how long to wait before it."""

from __future__ import annotations

import math
import random
import time
from email.utils import parsedate_to_datetime

from gukbap.adapters.http_json import SilentError, StatusError, UnreachableError

#: The first pause; it doubles with each failure. Half of it is drawn, so that calls do not come back at once.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
#: A server may ask for a pause of so long at most, and one call waits so long in all for a busy server.
LONGEST_RETRY_AFTER_SECONDS = 600.0
LONGEST_WAIT_SECONDS = 1800.0

_PASSING = (408, 409, 429)
#: 429 is also what OpenAI answers to an account without credit.
SPENT = "insufficient_quota"


class NoChoiceError(Exception):
    """A success whose reply holds no choice."""


class Retries:
    """The pauses of one call.

    A busy server (429) is waited for and does not use up the tries; its own bound is
    LONGEST_WAIT_SECONDS. Connections that break, timeouts, 408, 409, 5xx and replies without a choice
    are tried again up to `most` times, with exponential backoff and jitter; Retry-After comes first, but
    for one of zero, with which a busy server would be asked without end.
    """

    def __init__(self, most: int) -> None:
        self._left, self.tries = most, 1
        self._waited = 0.0
        self._pause = FIRST_PAUSE_SECONDS

    def pause_after(self, error: Exception) -> float | None:
        """Seconds to wait before the next try; None where there is none."""
        if not is_passing(error):
            return None
        asked = retry_after(error)
        busy = is_busy(error)
        pause = asked or self._backoff()
        if busy and self._waited + pause > LONGEST_WAIT_SECONDS:
            return None
        if not busy:
            if self._left == 0:
                return None
            self._left -= 1
        self._waited += pause if busy else 0.0
        self.tries += 1
        return pause

    def _backoff(self) -> float:
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE_SECONDS)
        return pause * random.uniform(0.5, 1.0)


def is_busy(error: Exception) -> bool:
    """Whether the server asks to be left alone for a while."""
    return getattr(error, "status_code", None) == 429


def is_passing(error: Exception) -> bool:
    """Whether another try of the same call may succeed."""
    if isinstance(error, StatusError):
        spent = error.status_code == 429 and error.code == SPENT
        return not spent and (error.status_code in _PASSING or error.status_code >= 500)
    return isinstance(error, SilentError | UnreachableError | NoChoiceError)


def retry_after(error: Exception) -> float | None:
    """The server's Retry-After in seconds (a number or an HTTP date, RFC 9110 10.2.3); None without one."""
    value = error.retry_after if isinstance(error, StatusError) else ""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
