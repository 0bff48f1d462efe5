"""A proxy on loopback that counts what passes, and can spoil it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

#: turns a piece of bytes into what is handed on
Change = Callable[[bytes], bytes]


class Proxy:
    """Bytes to the server and from it, counted."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.received = 0
        self.change_sent: Change = bytes
        self.change_received: Change = bytes
        self._alone = threading.Lock()
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            for source, target, up in ((client, server, True), (server, client, False)):
                threading.Thread(target=self._pump, args=(source, target, up), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, up: bool) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                with self._alone:
                    if up:
                        self.sent += len(piece)
                        piece = self.change_sent(piece)
                    else:
                        self.received += len(piece)
                        piece = self.change_received(piece)
                target.sendall(piece)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Break every connection."""
        for end in self._open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def close(self) -> None:
        """Stop listening and break every connection."""
        self._listener.close()
        self.cut()


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy before the server at `target`, closed with the block."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()


def flipping(marker: bytes, times: int) -> Change:
    """Flips one bit of a piece that holds `marker`, behind it, so many times."""
    left = [times]

    def change(piece: bytes) -> bytes:
        place = piece.find(marker)
        if place < 0 or not left[0] or place + len(marker) >= len(piece):
            return piece
        left[0] -= 1
        spoiled = bytearray(piece)
        spoiled[place + len(marker)] ^= 1
        return bytes(spoiled)

    return change
