"""A chat model behind any OpenAI-compatible server: DeepInfra, vLLM, llama.cpp, …"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn, TypeVar

from gukbap.adapters.http_json import HttpError, JsonServer, SilentError, StatusError, UnreachableError
from gukbap.adapters.pace import Pace
from gukbap.adapters.redaction import redacted
from gukbap.adapters.retries import SPENT, NoChoiceError, Retries, is_busy, is_passing
from gukbap.config import Endpoint, host_of
from gukbap.errors import AuthenticationError, CallFailedError, ConfigError, EndpointError
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message

Answered = TypeVar("Answered")

#: Some servers want a key of whatever kind; those that want none ignore it.
NO_KEY = "no-key"  # a placeholder, not a secret


class OpenAIChat:
    """A chat model of an OpenAI-compatible server.

    What may pass (no connection, timeout, 408, 409, 429, 5xx) is tried again, see adapters.retries. The
    key stays out of every message and repr.

    Args:
        base_url: the server, with its /v1.
        model: the server's name of the model.
        api_key: the key, or None for a server that wants none.
        concurrency: how many calls may be under way at once; fewer while the server is busy, see
            adapters.pace.
        requests_per_minute: None for no limit.
        tokens_per_minute: None for no limit.
        timeout_seconds: how long the server may stay silent.
        max_retries: further tries after a transient failure.
        name: the identity that is written into data, where it is not `model`.
        use_proxy: whether the environment's proxy settings count.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        concurrency: int = 4,
        requests_per_minute: int | None = None,
        tokens_per_minute: int | None = None,
        timeout_seconds: float = 300,
        max_retries: int = 5,
        name: str | None = None,
        use_proxy: bool = True,
    ) -> None:
        self._model, self._key = model, api_key
        self._name, self._concurrency = name or model, concurrency
        self._timeout_seconds, self._max_retries = timeout_seconds, max_retries
        self._shown_url = redacted(base_url)
        self._server = JsonServer(
            base_url,
            api_key or NO_KEY,
            timeout_seconds=timeout_seconds,
            connections=concurrency,
            use_proxy=use_proxy,
        )
        self._host = host_of(base_url)
        self.pace = Pace(concurrency, requests_per_minute, tokens_per_minute)

    @classmethod
    def from_endpoint(cls, endpoint: Endpoint) -> OpenAIChat:
        """The chat model of an endpoint with base_url; its key is read from the environment.

        Raises:
            ConfigError: the environment variable that the endpoint names is not set.
        """
        if endpoint.base_url is None:
            raise ConfigError(f"endpoint {endpoint.model!r} has no base_url", expected="a server's URL")
        return cls(
            endpoint.base_url,
            endpoint.model,
            api_key=_key_from_environment(endpoint.api_key_env, endpoint.model),
            concurrency=endpoint.concurrency,
            requests_per_minute=endpoint.requests_per_minute,
            tokens_per_minute=endpoint.tokens_per_minute,
            timeout_seconds=endpoint.timeout_seconds,
            max_retries=endpoint.max_retries,
        )

    def __repr__(self) -> str:
        return f"OpenAIChat({self._model!r} at {self._shown_url})"

    @property
    def name(self) -> str:
        """The model's identity as it is written into data and reports."""
        return self._name

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self._concurrency

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Send one conversation; transient failures are retried inside.

        A reply that was cut for another reason than its length (a content filter) has the finish
        reason "length" too: it is not whole.

        Raises:
            AuthenticationError: the key or the rights are refused (401, 403).
            CallFailedError: the server cannot be reached or keeps failing, or finds this call wrong.
            EndpointError: it has no such model, or the account has no credit left.
        """
        asked = {"messages": [{"role": m.role, "content": m.content} for m in messages]}
        return await self._answered("/chat/completions", asked, sampling)

    async def complete_ids(self, prompt: Sequence[int], sampling: Sampling, end_id: int) -> Completion:
        """Send a prompt as token ids, which are continued as they are; `end_id` ends the answer, too.

        Errors as `complete` has them. Servers know such prompts where they serve models of their own
        (vLLM, SGLang, llama.cpp); `stop_token_ids` is vLLM's and SGLang's, others end at the model's own
        end tokens.
        """
        asked = {"prompt": list(prompt), "stop_token_ids": [end_id]}
        return await self._answered("/completions", asked, sampling)

    async def _answered(self, path: str, asked: Mapping[str, Any], sampling: Sampling) -> Completion:
        body = {"model": self._model, **asked, **_drawing(sampling)}
        completion, tries = await self._retrying(
            lambda: self._send(path, body),
            _tokens_at_most(asked) + (sampling.max_tokens or 0),
            lambda reply: reply.prompt_tokens + reply.completion_tokens,
        )
        return replace(completion, tries=tries, host=self._host)

    async def list_models(self) -> list[str]:
        """The names of the models that the server lists; errors as `complete` has them. Costs nothing."""
        return (await self._retrying(self._listed, 0, lambda _: 0))[0]

    async def _listed(self) -> list[str]:
        try:
            listed = _part(await self._server.get("/models"), "data")
        except ValueError:
            listed = None
        if not isinstance(listed, list):
            raise NoChoiceError
        return [str(_part(model, "id")) for model in listed]

    async def _retrying(
        self, send: Callable[[], Awaitable[Answered]], tokens: int, took: Callable[[Answered], int]
    ) -> tuple[Answered, int]:
        """The answer, and the number of tries that it took."""
        retries = Retries(self._max_retries)
        while True:
            start = await self.pace.begin(tokens)
            try:
                answered = await send()
            except (HttpError, NoChoiceError) as error:
                pause = retries.pause_after(error)
                if is_busy(error):
                    self.pace.busy(start, pause or 0.0)
                elif is_passing(error):
                    self.pace.failed(start)
                else:
                    self.pace.left(start)
                if pause is None:
                    self._raise_clearly(error, retries.tries)
            except BaseException:
                self.pace.left(start)
                raise
            else:
                self.pace.succeeded(start, took(answered))
                return answered, retries.tries
            await asyncio.sleep(pause)

    async def _send(self, path: str, body: Mapping[str, Any]) -> Completion:
        try:
            completion = read_completion(await self._server.post(path, body))
        except ValueError:
            completion = None  # a gateway's page, or a reply that was cut on its way
        if completion is None:
            # Some gateways answer 200 with an error in the body.
            raise NoChoiceError
        return completion

    def _raise_clearly(self, error: Exception, tries: int) -> NoReturn:
        # `from None`: a server may echo the key in its message, and a traceback would show it.
        server_says = self._without_key(_detail(error))
        if isinstance(error, StatusError) and error.status_code in (401, 403):
            raise AuthenticationError(
                f"{self._shown_url} refuses {'the key' if self._key else 'a call without a key'} "
                f"({error.status_code}: {server_says})",
                expected="a valid key with rights for the model",
                fix="set the environment variable that the endpoint's api_key_env names",
            ) from None
        if isinstance(error, NoChoiceError):
            raise CallFailedError(
                f"{self._shown_url} answers for model {self._model!r}, but its reply holds no choice",
                expected="an OpenAI-compatible completion with choices",
                fix="check that base_url is the server's /v1 and look at the server's log",
            ) from None
        status = getattr(error, "status_code", type(error).__name__)
        code = getattr(error, "code", None)
        if status == 404 or code == "model_not_found":
            raise EndpointError(
                f"{self._shown_url} has no model {self._model!r} ({status}: {server_says})",
                expected="a model that the server lists, and a base_url with its /v1",
                fix="check the endpoint's model and base_url",
            ) from None
        if isinstance(error, SilentError):
            raise CallFailedError(
                f"{self._shown_url} stayed silent for {self._timeout_seconds:g} s in each of {tries} tries",
                fix="raise the endpoint's timeout_seconds or lower its concurrency, then resume",
            ) from None
        if isinstance(error, UnreachableError):
            raise CallFailedError(
                f"{self._shown_url} cannot be reached ({server_says}) in {tries} tries",
                expected="a running OpenAI-compatible server",
                fix="start the server or mend base_url, then resume; nothing that was answered is lost",
            ) from None
        kind = EndpointError if status == 402 or code == SPENT else CallFailedError
        raise kind(
            f"{self._shown_url} fails for model {self._model!r} ({status}: {server_says}; tries: {tries})",
            fix=_FIXES.get(
                status, "look at the server's log, then resume; nothing that was answered is lost"
            ),
        ) from None

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


_FIXES: dict[object, str] = {
    400: "the server finds the request wrong: a prompt over its context length needs a longer "
    "context_length or shorter texts",
    402: "the account has no credit left; top it up, then resume",
    429: "lower the endpoint's concurrency or raise its max_retries, then resume",
}


def _tokens_at_most(asked: Mapping[str, Any]) -> int:
    """Of a prompt: its ids, or a token a character (Mistral's tokenizer takes 0.84 of Korean text)."""
    ids = asked.get("prompt")
    return len(ids) if ids is not None else sum(len(message["content"]) for message in asked["messages"])


def _drawing(sampling: Sampling) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
    }
    # Some servers refuse an empty list or a null.
    if sampling.max_tokens is not None:
        fields["max_tokens"] = sampling.max_tokens
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    return fields


def _detail(error: BaseException) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def read_completion(reply: object) -> Completion | None:
    """A reply of any shape as a completion; None where it holds no message."""
    choice = _first(_part(reply, "choices"))
    # A chat completion has a message, a completion of token ids its text.
    message = _part(choice, "message")
    if not isinstance(message, dict) and not isinstance(_part(choice, "text"), str):
        return None
    content = message.get("content") if isinstance(message, dict) else _part(choice, "text")
    usage = _part(reply, "usage")
    return Completion(
        text=content if isinstance(content, str) else "",
        finish_reason="stop" if _part(choice, "finish_reason") == "stop" else "length",
        prompt_tokens=_count(_part(usage, "prompt_tokens")),
        completion_tokens=_count(_part(usage, "completion_tokens")),
    )


def _part(value: object, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) else 0


def _key_from_environment(variable: str | None, model: str) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(
            f"the environment variable {variable} with the key for {model!r} is not set",
            expected=f"the key of the server in {variable}",
            fix=f"export {variable}=… and run again; the recipe holds the variable's name, never the key",
        )
    return key
