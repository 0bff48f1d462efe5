"""Free ports of loopback."""

from __future__ import annotations

import socket
from contextlib import ExitStack

LOOPBACK = "127.0.0.1"


def is_free(port: int) -> bool:
    """Whether a server can listen on a port now."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier server that are still closing are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def first_free(start: int) -> int:
    """The first free port from `start` on: outside the range out of which connections take theirs."""
    return next(port for port in range(start, 65536) if is_free(port))


def any_free(count: int) -> list[int]:
    """Different ports that are free now."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
