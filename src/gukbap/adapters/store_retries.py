"""When a call to an object store is made again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")

#: A server that is started again is back within a minute (SeaweedFS after a kill: half of one).
TRIES = 12
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.4, 15.0
#: S3 API reference, "Error responses": what may pass; a bit that flipped on its way (BadDigest), too.
_PASSING = {
    "BadDigest",
    "ConditionalRequestConflict",
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
}


def retrying(call: Callable[[], Answer]) -> Answer:
    """Call, and call again where the server is busy, broken or away: exponential backoff with jitter."""
    pause = FIRST_PAUSE_SECONDS
    for left in reversed(range(TRIES)):
        try:
            return call()
        except Exception as error:
            if not left or not _may_pass(error):
                raise
        time.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    raise AssertionError("a last try either returns or raises")


def _may_pass(error: Exception) -> bool:
    from minio.error import S3Error, ServerError
    from urllib3.exceptions import HTTPError

    if isinstance(error, S3Error):
        return error.code in _PASSING
    # A gateway's page in place of XML; connections that are refused, broken or silent.
    return isinstance(error, ServerError | HTTPError | ConnectionError | TimeoutError)
