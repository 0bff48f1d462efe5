"""JSON over HTTP to one server, many calls at once, at little cost of this machine's time.

A call through the official client of OpenAI's interface takes 2.2 ms of a core, 1.5 ms over aiohttp, and
0.6 ms through aiohttp alone (bench/generation_throughput.py --cpu): at a teacher's concurrency of 64 and
100 ms latency the official client alone fills a core.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from gukbap.errors import ConfigError

#: How long a connection may take to open.
CONNECT_SECONDS = 10.0
_WORDS = 300
_JSON = json.JSONEncoder(ensure_ascii=False)  # json.dumps() makes a new one at each call


class HttpError(Exception):
    """A call that failed."""


class StatusError(HttpError):
    """The server answered with another status than success.

    Attributes:
        status_code: HTTP's.
        code: the error's code in the body, as OpenAI's interface has it; None where there is none.
        retry_after: the header of this name, or "".
    """

    def __init__(self, status_code: int, message: str, code: str | None, retry_after: str) -> None:
        super().__init__(message)
        self.status_code, self.code, self.retry_after = status_code, code, retry_after


class SilentError(HttpError):
    """The server did not answer in time."""


class UnreachableError(HttpError):
    """No connection, or one that broke."""


class JsonServer:
    """A server that takes and gives JSON. Connections are opened in, and end with, each event loop.

    Args:
        base_url: what paths are put behind.
        key: sent as a bearer token, unless the URL itself has a user; None: no such header.
        timeout_seconds: how long the server may stay silent.
        connections: open at once, at most.
        use_proxy: whether the environment's proxy settings count.
    """

    def __init__(
        self, base_url: str, key: str | None, *, timeout_seconds: float, connections: int, use_proxy: bool
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if key is not None and "@" not in base_url.partition("://")[2].partition("/")[0]:
            self._headers["Authorization"] = f"Bearer {key}"
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=min(CONNECT_SECONDS, timeout_seconds), sock_read=timeout_seconds
        )
        self._connections = connections
        self._proxy = _environment_proxy(base_url) if use_proxy else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sessions: AsyncIterator[aiohttp.ClientSession]
        self._session: aiohttp.ClientSession

    async def post(self, path: str, body: Mapping[str, Any]) -> object:
        """The JSON answer to a JSON document.

        Raises:
            HttpError: as its kinds say.
            ValueError: the answer is no JSON.
        """
        content = _JSON.encode(body).encode("utf-8")
        return await self._asked("POST", path, content, {"Content-Type": "application/json"})

    async def get(self, path: str) -> object:
        """A JSON document; errors as `post` has them."""
        return await self._asked("GET", path, None, {})

    async def _asked(
        self, method: str, path: str, content: bytes | None, headers: Mapping[str, str]
    ) -> object:
        session = await self._session_of_this_loop()
        try:
            async with session.request(method, self._base_url + path, data=content, headers=headers) as reply:
                answer = await reply.read()
        except TimeoutError as error:  # aiohttp's own are of this kind, too
            raise SilentError("no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(str(error) or type(error).__name__) from error
        if not 200 <= reply.status < 300:
            raise _refusal(reply.status, answer, reply.headers.get("Retry-After", "").strip())
        return json.loads(answer)

    async def _session_of_this_loop(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            # asyncio.run() ends the generators that are open when it ends, and so the connections.
            sessions = self._new_session()
            self._session = await anext(sessions)
            self._loop, self._sessions = loop, sessions
        return self._session

    async def _new_session(self) -> AsyncIterator[aiohttp.ClientSession]:
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            headers=self._headers,
            timeout=self._timeout,
            proxy=self._proxy,
        ) as session:
            yield session


def _environment_proxy(url: str) -> str | None:
    """The proxy for a URL, looked for once: aiohttp's trust_env asks a thread for it at every call.

    Raises:
        ConfigError: aiohttp does not speak its kind.
    """
    place = urlsplit(url)
    if place.hostname is None or proxy_bypass(place.netloc.rpartition("@")[2]):
        return None
    proxies = getproxies()
    proxy = proxies.get(place.scheme) or proxies.get("all")
    if proxy and urlsplit(proxy).scheme not in ("http", "https"):
        # Its address may hold a password.
        raise ConfigError(
            f"the environment's proxy for {place.hostname} is of the kind {proxy.partition(':')[0]!r}",
            expected="a proxy that speaks HTTP",
            fix=f"set {place.scheme}_proxy to such a one, or add {place.hostname} to no_proxy",
        )
    return proxy


def _refusal(status: int, answer: bytes, retry_after: str) -> StatusError:
    """A failure with what the server says of it: {"error": {"message", "code"}} as OpenAI's interface has it,
    or whatever else it sent."""
    text = answer.decode("utf-8", "replace")
    code = None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    error = found.get("error", found) if isinstance(found, dict) else None
    if isinstance(error, dict):
        code = error.get("code")
        text = next((str(error[name]) for name in ("message", "detail") if error.get(name)), text)
    elif isinstance(error, str):
        text = error
    message = " ".join(text.split())[:_WORDS] or f"HTTP {status}"
    return StatusError(status, message, code if isinstance(code, str) else None, retry_after)
