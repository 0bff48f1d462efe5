"""OpenAIChat against a real HTTP server on loopback that plays one reply after the other."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from gukbap.adapters.chat_models import open_chat
from gukbap.adapters.mirrored_chat import MirroredChat
from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.adapters.progress import SilentProgress
from gukbap.config import Endpoint
from gukbap.errors import AuthenticationError, CallFailedError, ConfigError, EndpointError
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message

KEY = "sk-very-secret-1234567890"
MESSAGES = [Message(role="user", content="안녕하세요?")]
SAMPLING = Sampling(temperature=0.5, top_p=0.9, max_tokens=7, seed=11)
OK = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "반갑습니다."}}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8},
}
Reply = tuple[int, Mapping[str, str], Any]


class _Server(ThreadingHTTPServer):
    """Gives the replies in turn, the last one for ever, and keeps the requests."""

    replies: list[Reply]
    requests: list[tuple[str, dict[str, str], dict[str, Any]]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        replies = self.server.replies
        status, headers, content = replies.pop(0) if len(replies) > 1 else replies[0]
        payload = content.encode() if isinstance(content, str) else json.dumps(content).encode()
        self.send_response(status)
        kind = "text/plain" if isinstance(content, str) else "application/json"
        self.send_header("Content-Type", headers.get("Content-Type", kind))
        self.send_header("Content-Length", str(len(payload)))
        for name in headers.keys() - {"Content-Type"}:
            self.send_header(name, headers[name])
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent."""


@contextmanager
def _serving(*replies: Reply) -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.replies, server.requests = list(replies), []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _chat(server: _Server, *, max_retries: int = 2, api_key: str | None = KEY) -> OpenAIChat:
    url = f"http://127.0.0.1:{server.server_port}/v1"
    return OpenAIChat(url, "some/model", api_key=api_key, max_retries=max_retries, timeout_seconds=5)


def _host(server: _Server) -> str:
    return f"127.0.0.1:{server.server_port}"


def _complete(chat: OpenAIChat) -> Completion:
    return asyncio.run(chat.complete(MESSAGES, SAMPLING))


def _error(status: int, message: str, **headers: str) -> Reply:
    return status, headers, {"error": {"message": message}}


def test_sends_the_conversation_and_reads_the_reply() -> None:
    with _serving((200, {}, OK)) as server:
        completion = _complete(_chat(server))
    assert completion == Completion("반갑습니다.", "stop", 5, 3, host=_host(server))
    path, headers, body = server.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body == {
        "model": "some/model",
        "messages": [{"role": "user", "content": "안녕하세요?"}],
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 7,
        "seed": 11,
    }


def test_an_answer_without_a_bound_and_stop_strings_are_sent_as_the_api_has_them() -> None:
    with _serving((200, {}, OK)) as server:
        sampling = Sampling(temperature=0, top_p=1, max_tokens=None, seed=1, stop=("[INST]", "<eos>"))
        asyncio.run(_chat(server).complete(MESSAGES, sampling))
    body = server.requests[0][2]
    assert "max_tokens" not in body
    assert body["stop"] == ["[INST]", "<eos>"]


def test_token_ids_are_sent_as_they_are_and_their_continuation_is_read() -> None:
    reply = {
        **OK,
        "object": "text_completion",
        "choices": [{"text": " 반갑습니다.", "finish_reason": "stop"}],
    }
    with _serving(_error(503, "busy"), (200, {}, reply)) as server:
        completion = asyncio.run(_chat(server).complete_ids([1, 733, 16289], SAMPLING, 2))
    assert completion == Completion(" 반갑습니다.", "stop", 5, 3, tries=2, host=_host(server))
    path, _, body = server.requests[1]
    assert path == "/v1/completions"
    assert body["prompt"] == [1, 733, 16289]
    assert body["stop_token_ids"] == [2]
    assert "messages" not in body
    assert (body["model"], body["max_tokens"], body["seed"]) == ("some/model", 7, 11)


def test_one_model_serves_several_event_loops() -> None:
    with _serving((200, {}, OK)) as server:
        chat = _chat(server)
        assert _complete(chat) == _complete(chat)


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_cut_reply_says_so(reason: str) -> None:
    choice = {"index": 0, "finish_reason": reason, "message": {"role": "assistant", "content": None}}
    with _serving((200, {}, {**OK, "choices": [choice], "usage": None})) as server:
        assert _complete(_chat(server)) == Completion("", "length", 0, 0, host=_host(server))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_not_tried_again(status: int) -> None:
    with _serving(_error(status, f"Incorrect API key provided: {KEY}")) as server:
        with pytest.raises(AuthenticationError, match=f"refuses the key \\({status}"):
            _complete(_chat(server))
        assert len(server.requests) == 1


def test_an_unknown_model_is_named_and_not_tried_again() -> None:
    with _serving(_error(404, "no such model")) as server:
        with pytest.raises(EndpointError, match="has no model 'some/model'"):
            _complete(_chat(server))
        assert len(server.requests) == 1


def test_a_full_server_is_asked_again_when_it_says() -> None:
    busy = (429, {"Retry-After": "1"}, {"error": {"message": "slow down"}})
    with _serving(busy, (200, {}, OK)) as server:
        assert _complete(_chat(server)).text == "반갑습니다."
        assert len(server.requests) == 2


def test_failing_servers_are_asked_again() -> None:
    with _serving(_error(500, "oops"), _error(503, "oops"), (200, {}, OK)) as server:
        assert _complete(_chat(server)).text == "반갑습니다."
        assert len(server.requests) == 3


def test_a_server_that_keeps_failing_is_given_up() -> None:
    with _serving(_error(500, "out of memory")) as server:
        with pytest.raises(EndpointError, match=r"500: .*out of memory"):
            _complete(_chat(server, max_retries=1))
        assert len(server.requests) == 2


@pytest.mark.parametrize("content", [{"error": {"message": "upstream failed"}}, "<html>hello</html>"])
def test_a_success_without_a_choice_is_asked_again(content: Any) -> None:
    with _serving((200, {}, content), (200, {}, OK)) as server:
        assert _complete(_chat(server)).text == "반갑습니다."
    with (
        _serving((200, {}, content)) as server,
        pytest.raises(EndpointError, match="holds no choice"),
    ):
        _complete(_chat(server, max_retries=1))


def test_a_reply_that_is_no_json_is_asked_for_again() -> None:
    cut = (200, {"Content-Type": "application/json"}, '{"choices": [{"mess')
    with _serving(cut, _error(500, "oops"), (200, {}, OK)) as server:
        assert _complete(_chat(server)).tries == 3


def test_json_under_another_name_is_read() -> None:
    with _serving((200, {}, json.dumps(OK))) as server:
        assert _complete(_chat(server)).text == "반갑습니다."


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"choices": {}},
        {"choices": [{"message": None}]},
        {"choices": [[]]},
        {"choices": [{"message": {"content": "예"}}], "usage": [None]},
        {"choices": [{"message": {"content": ["parts"]}}], "usage": {"prompt_tokens": None}},
    ],
)
def test_replies_of_strange_shapes_are_an_error_or_read_as_far_as_they_go(content: Any) -> None:
    with _serving((200, {}, content)) as server:
        try:
            completion = _complete(_chat(server, max_retries=0))
        except EndpointError as error:
            assert "holds no choice" in str(error)
        else:
            assert completion.text in ("예", "")
            assert (completion.prompt_tokens, completion.completion_tokens) == (0, 0)
            assert completion.finish_reason == "length"


def test_busy_replies_do_not_use_up_the_tries() -> None:
    busy = (429, {"Retry-After": "0.01"}, {"error": {"message": "slow down"}})
    with _serving(*[busy] * 5, (200, {}, OK)) as server:
        assert _complete(_chat(server, max_retries=0)).tries == 6


def test_an_account_without_credit_is_not_asked_again() -> None:
    with _serving((429, {}, {"error": {"message": "quota", "code": "insufficient_quota"}})) as server:
        with pytest.raises(EndpointError, match="429") as caught:
            _complete(_chat(server))
        assert len(server.requests) == 1
    assert not isinstance(caught.value, CallFailedError)


def test_a_dead_port_is_named_with_the_next_step() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(EndpointError, match="cannot be reached") as caught:
        _complete(OpenAIChat(url, "m", max_retries=1, timeout_seconds=2))
    assert url in str(caught.value)
    assert "start the server" in str(caught.value)


def test_the_key_stays_out_of_errors_reprs_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for status in (400, 401, 404, 500):
        with _serving(_error(status, f"bad key {KEY}")) as server:
            chat = _chat(server, max_retries=0)
            with pytest.raises(EndpointError) as caught:
                _complete(chat)
            assert "***" in str(caught.value)
            assert KEY not in str(caught.value)
            assert KEY not in repr(chat)
            # A traceback shows no cause that could hold the server's words.
            assert caught.value.__suppress_context__
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("gukbap")]
    assert not any(KEY in line for line in ours)


def test_the_password_of_a_url_is_not_shown() -> None:
    chat = OpenAIChat("http://user:hidden-password@127.0.0.1:9/v1", "m")
    assert "hidden-password" not in repr(chat)


def test_the_key_comes_from_the_named_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-for-this-server")
    monkeypatch.setenv("SOME_KEY", f" {KEY}\n")
    with _serving((200, {}, OK)) as server:
        url = f"http://127.0.0.1:{server.server_port}/v1"
        for variable in ("SOME_KEY", None):
            endpoint = Endpoint(model="m", base_url=url, api_key_env=variable, max_retries=0)
            _complete(OpenAIChat.from_endpoint(endpoint))
    sent = [headers["authorization"] for _, headers, _ in server.requests]
    assert sent == [f"Bearer {KEY}", "Bearer no-key"]


def test_a_missing_key_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_KEY", raising=False)
    endpoint = Endpoint(model="m", base_url="http://127.0.0.1:9/v1", api_key_env="SOME_KEY")
    with pytest.raises(ConfigError, match="SOME_KEY"):
        OpenAIChat.from_endpoint(endpoint)


def test_mirrors_share_the_work_and_say_who_replied() -> None:
    with _serving((200, {}, OK)) as one, _serving((200, {}, OK)) as other:
        mirrored = MirroredChat([_chat(one), _chat(other)])

        async def many() -> list[Completion]:
            return await asyncio.gather(*(mirrored.complete(MESSAGES, SAMPLING) for _ in range(20)))

        hosts = Counter(completion.host for completion in asyncio.run(many()))
        assert hosts == {_host(one): len(one.requests), _host(other): len(other.requests)}
    assert min(hosts.values()) >= 5
    assert mirrored.name == "some/model"
    assert mirrored.concurrency == 8


def test_a_call_that_one_server_fails_goes_to_the_other() -> None:
    with _serving(_error(500, "broken")) as broken, _serving((200, {}, OK)) as whole:
        mirrored = MirroredChat([_chat(broken, max_retries=0), _chat(whole, max_retries=0)])
        for _ in range(3):
            assert asyncio.run(mirrored.complete(MESSAGES, SAMPLING)).host == _host(whole)
    with _serving(_error(500, "broken")) as broken:
        with pytest.raises(CallFailedError, match="500"):
            both = [_chat(broken, max_retries=0), _chat(broken, max_retries=0)]
            asyncio.run(MirroredChat(both).complete(MESSAGES, SAMPLING))
        assert len(broken.requests) == 2


def test_a_key_that_one_server_refuses_stops_at_once() -> None:
    with _serving(_error(401, "no")) as refusing, _serving((200, {}, OK)) as whole:
        with pytest.raises(AuthenticationError):
            asyncio.run(MirroredChat([_chat(refusing), _chat(whole)]).complete(MESSAGES, SAMPLING))
        assert whole.requests == []


def test_an_endpoint_with_mirrors_opens_them_with_their_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY_A", "a")
    with _serving((200, {}, OK)) as one, _serving((200, {}, OK)) as other:
        endpoint = Endpoint.model_validate(
            {
                "model": "org/m",
                "base_url": f"http://{_host(one)}/v1",
                "api_key_env": "KEY_A",
                "requests_per_minute": 100,
                "mirrors": [{"base_url": f"http://{_host(other)}/v1", "model": "m-fast", "concurrency": 9}],
            }
        )
        chat = open_chat(endpoint, SilentProgress())
        assert isinstance(chat, MirroredChat)
        assert chat.concurrency == 13

        async def many() -> None:
            await asyncio.gather(*(chat.complete(MESSAGES, SAMPLING) for _ in range(6)))

        asyncio.run(many())
        assert {body["model"] for _, _, body in one.requests} == {"org/m"}
        assert {body["model"] for _, _, body in other.requests} == {"m-fast"}
        assert {headers["authorization"] for _, headers, _ in one.requests} == {"Bearer a"}
        assert {headers["authorization"] for _, headers, _ in other.requests} == {"Bearer no-key"}


def test_the_environment_s_proxy_is_used_unless_it_is_not_meant_for_the_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("http_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with _serving((200, {}, OK)) as proxy, _serving((200, {}, OK)) as direct:
        monkeypatch.setenv("http_proxy", f"http://{_host(proxy)}")
        _complete(OpenAIChat("http://teacher.example/v1", "m", api_key=KEY))
        [(path, headers, _)] = proxy.requests
        assert path == "http://teacher.example/v1/chat/completions"
        assert headers["authorization"] == f"Bearer {KEY}"
        url = f"http://{_host(direct)}/v1"
        _complete(OpenAIChat(url, "m", use_proxy=False))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        _complete(OpenAIChat(url, "m"))
        assert len(proxy.requests) == 1
        assert len(direct.requests) == 2


def test_a_proxy_of_another_kind_is_one_clear_error_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("http_proxy", "socks5://me:hidden-password@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConfigError, match="'socks5'") as caught:
        OpenAIChat("http://teacher.example/v1", "m")
    assert "hidden-password" not in str(caught.value)
    assert "no_proxy" in str(caught.value)
