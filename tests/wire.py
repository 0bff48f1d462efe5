"""Just enough HTTP for servers of tests that play a chat model: requests in, JSON replies out."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

#: what answers a request (its path and body); False breaks the connection
Handler = Callable[[str, bytes, asyncio.StreamWriter], Awaitable[bool]]


async def serve(handler: Handler, port: int) -> None:
    """Serve on loopback until the process is ended; prints the port."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await handler(*await _request(reader), writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            return  # the client is gone, as a killed one is
        finally:
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


async def _request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    length = next((int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length")), 0)
    return lines[0].split()[1], await reader.readexactly(length)


async def reply(writer: asyncio.StreamWriter, status: int, value: object, header: str = "") -> None:
    """Send a JSON document."""
    await reply_raw(writer, status, json.dumps(value).encode(), header)


async def reply_raw(writer: asyncio.StreamWriter, status: int, payload: bytes, header: str = "") -> None:
    """Send bytes that are called JSON."""
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{header}"
    writer.write(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
    await writer.drain()


def chat_completion(
    model: object, text: str, prompt_tokens: int, completion_tokens: int, reason: str
) -> object:
    """A reply as OpenAI's API reference has it."""
    message = {"role": "assistant", "content": text}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [{"index": 0, "finish_reason": reason, "message": message}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


class Server:
    """A running server that tells what it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def told(self) -> dict[str, Any]:
        """Requests so far, good replies by prompt and seed, and whatever else a server tells."""
        with urllib.request.urlopen(f"{self.url}/told", timeout=10) as reply:
            found: dict[str, Any] = json.load(reply)
        return found

    def reset(self) -> None:
        """Forget what was told."""
        urllib.request.urlopen(f"{self.url}/reset", timeout=10).close()
