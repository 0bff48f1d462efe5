"""Which adapter opens which endpoint."""

from __future__ import annotations

import pytest

from gukbap.adapters.chat_models import open_chat
from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.scripted_chat import ScriptedChat
from gukbap.config import Endpoint
from gukbap.errors import ConfigError, ModelError


def test_base_url_opens_a_server_whatever_the_model_is_called() -> None:
    chat = open_chat(
        Endpoint(model="bundled://x", base_url="http://127.0.0.1:9/v1", concurrency=7), SilentProgress()
    )
    assert isinstance(chat, OpenAIChat)
    assert (chat.name, chat.concurrency) == ("bundled://x", 7)


def test_scripted_opens_the_script() -> None:
    chat = open_chat(Endpoint(model="scripted://teacher", concurrency=3), SilentProgress())
    assert isinstance(chat, ScriptedChat)
    assert chat.concurrency == 3


@pytest.mark.parametrize("model", ["bundled://some-model", "file:///some/model.gguf"])
def test_files_are_resolved_and_a_missing_one_is_a_clear_error(model: str) -> None:
    with pytest.raises(ModelError, match=r"some-model|there is no .*model\.gguf"):
        open_chat(Endpoint(model=model), SilentProgress())


def test_an_unknown_kind_is_refused() -> None:
    endpoint = Endpoint.model_construct(model="hf://org/name", base_url=None)
    with pytest.raises(ConfigError, match="hf://org/name"):
        open_chat(endpoint, SilentProgress())
