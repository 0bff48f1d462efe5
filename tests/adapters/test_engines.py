"""Which engine a recipe opens, and a server's chat model as a student (over a scripted one)."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gukbap.adapters.engines import open_engine
from gukbap.adapters.llama_cpp import LlamaCppChat
from gukbap.adapters.model_references import resolve_gguf, resolve_model
from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.adapters.openai_generator import OpenAIGenerator, OpenAITokenGenerator
from gukbap.adapters.progress import SilentProgress
from gukbap.adapters.transformers_engine import TransformersEngine, load_tokenizer
from gukbap.chat_templates import encode_prompt, load_template
from gukbap.config import (
    LOGICKOR_STOP,
    Endpoint,
    EvaluateConfig,
    InferConfig,
    InferSettings,
    StudentConfig,
)
from gukbap.errors import ConfigError, EndpointError, ModelError
from gukbap.ports import Completion, GenerationSettings, Sampling
from gukbap.schemas import Message

SETTINGS = GenerationSettings(max_new_tokens=16, stop=("[INST]",), seed=4)


class ScriptedChat:
    """A chat model that answers with the question; the later the question, the sooner."""

    name = "scripted"
    concurrency = 2

    def __init__(self, *, fails: bool = False) -> None:
        self.samplings: list[Sampling] = []
        self.under_way = self.most_under_way = 0
        self._fails = fails

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        if self._fails:
            raise EndpointError("the server is gone")
        self.samplings.append(sampling)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0.01 / len(self.samplings))
        self.under_way -= 1
        return Completion(messages[-1].content, "length", 3, 2)


def infer_settings(subject: Any = "base", **infer: Any) -> InferSettings:
    return InferSettings(
        seed=4,
        student=StudentConfig(
            model="random://mistral-tiny?seed=7", chat_template="mistral-v0.2", max_length=256
        ),
        infer=InferConfig(max_new_tokens=4, **infer),
        evaluate=EvaluateConfig(),
        subject=subject,
    )


def asked(*questions: str) -> list[list[Message]]:
    return [[Message(role="user", content=question)] for question in questions]


def test_replies_keep_their_order_and_calls_are_bounded() -> None:
    chat = ScriptedChat()
    generator = OpenAIGenerator(chat, "mistral-v0.2", 512, "student@1")
    replies = generator.generate(asked("가", "나", "다", "라", "마"), SETTINGS)
    assert [reply.text for reply in replies] == ["가", "나", "다", "라", "마"]
    assert chat.most_under_way == generator.batch_size == 2
    assert set(chat.samplings) == {Sampling(temperature=0, top_p=1, max_tokens=16, seed=4, stop=("[INST]",))}
    assert generator.name == "student@1"


def test_stop_string_in_a_servers_reply_ends_the_answer() -> None:
    cut, whole = OpenAIGenerator(ScriptedChat(), "gemma", 512, "s").generate(
        asked("앞 [INST] 뒤", "앞뒤"), SETTINGS
    )
    assert (cut.text, cut.finish_reason) == ("앞", "stop")
    assert (whole.text, whole.finish_reason) == ("앞뒤", "length")


@pytest.mark.parametrize(
    ("template", "first"),
    [
        ("mistral-v0.2", ["[INST]", "[/INST]"]),
        ("chatml", ["<|im_end|>"]),
        ("gemma-base", ["<end_of_turn>", "<eos>"]),
    ],
)
def test_a_server_is_told_four_stop_strings_and_the_templates_own_are_among_them(
    template: str, first: list[str]
) -> None:
    chat = ScriptedChat()
    settings = GenerationSettings(max_new_tokens=512, stop=LOGICKOR_STOP)
    generator = OpenAIGenerator(chat, template, 512, "s")
    (reply,) = generator.generate(asked("앞 <|eot_id|> 뒤"), settings)
    assert chat.samplings[0].stop[: len(first)] == tuple(first)
    assert len(chat.samplings[0].stop) == 4
    # A string that was not sent ends the answer all the same.
    assert (reply.text, reply.finish_reason) == ("앞", "stop")
    # As long as the context: the server is left to say where it ends.
    assert chat.samplings[0].max_tokens is None


def test_servers_failure_is_the_one_clear_error() -> None:
    with pytest.raises(EndpointError, match="the server is gone"):
        OpenAIGenerator(ScriptedChat(fails=True), "gemma", 512, "s").generate(
            asked("가", "나", "다"), SETTINGS
        )


def test_recipe_opens_the_transformers_engine_as_it_says() -> None:
    folder = resolve_model("random://mistral-tiny?seed=7", SilentProgress())
    engine = open_engine(infer_settings(batch_size=3), folder, "tiny@1")
    assert isinstance(engine, TransformersEngine)
    assert (engine.name, engine.batch_size) == ("tiny@1", 3)
    assert engine.generate(asked("질문"), SETTINGS)[0].completion_tokens > 0
    engine.close()


def test_recipe_opens_a_server_with_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = infer_settings(
        engine="openai", base_url="http://127.0.0.1:9/v1", api_key_env="STUDENT_KEY", batch_size=5
    )
    monkeypatch.delenv("STUDENT_KEY", raising=False)
    with pytest.raises(ConfigError, match="STUDENT_KEY"):
        open_engine(settings, tmp_path, "student@1")
    monkeypatch.setenv("STUDENT_KEY", "secret")
    engine = open_engine(settings, tmp_path, "student@1")
    assert isinstance(engine, OpenAIGenerator)
    assert (engine.name, engine.batch_size) == ("student@1", 5)


class ScriptedServer(OpenAIChat):
    """A server that continues token ids with their number, and counts `further` of its own."""

    def __init__(self, *, further: int = 0) -> None:
        super().__init__("http://127.0.0.1:9/v1", "scripted")
        self.sent: list[tuple[list[int], Sampling, int]] = []
        self._further = further

    async def complete_ids(self, prompt: Sequence[int], sampling: Sampling, end_id: int) -> Completion:
        self.sent.append((list(prompt), sampling, end_id))
        return Completion(f" {len(prompt)} [INST]", "length", len(prompt) + self._further, 2)


def tiny_tokenizer() -> Any:
    return load_tokenizer(resolve_model("random://mistral-tiny?seed=7", SilentProgress()))


def token_generator(server: ScriptedServer, max_length: int = 64) -> OpenAITokenGenerator:
    return OpenAITokenGenerator(server, tiny_tokenizer(), "mistral-v0.2", max_length, "student@1")


def test_a_server_gets_the_ids_of_training_and_the_room_that_is_left() -> None:
    server = ScriptedServer()
    settings = GenerationSettings(max_new_tokens=64, stop=("[INST]",), seed=4)
    (reply,) = token_generator(server).generate(asked("질문"), settings)
    tokenizer, template = tiny_tokenizer(), load_template("mistral-v0.2")
    ((ids, sampling, end_id),) = server.sent
    assert ids == encode_prompt(tokenizer, template, asked("질문")[0])
    assert ids.count(tokenizer.bos_token_id) == 1
    assert (sampling.max_tokens, end_id) == (64 - len(ids), tokenizer.eos_token_id)
    assert (reply.text, reply.finish_reason, reply.prompt_tokens) == (str(len(ids)), "stop", len(ids))


def test_a_prompt_without_room_is_not_sent() -> None:
    server = ScriptedServer()
    (reply,) = token_generator(server, max_length=16).generate(asked("질문 " * 40), SETTINGS)
    assert server.sent == []
    assert (reply.text, reply.finish_reason) == ("", "length")
    assert reply.prompt_tokens > 16


def test_a_server_that_puts_a_bos_of_its_own_in_front_is_refused() -> None:
    with pytest.raises(EndpointError, match=r"counts \d+ tokens where \d+ were sent"):
        token_generator(ScriptedServer(further=1)).generate(asked("질문"), SETTINGS)


@pytest.mark.slow
@pytest.mark.model
def test_a_real_server_continues_the_ids_of_the_template() -> None:
    progress = SilentProgress()
    gguf = resolve_gguf("bundled://gemma-3-270m", progress)
    chat = LlamaCppChat(gguf, Endpoint(model="bundled://gemma-3-270m", concurrency=2, context_length=256))
    server = OpenAIChat(chat._server.base_url, gguf.stem, api_key=chat._server.key, use_proxy=False)
    tokenizer = load_tokenizer(resolve_model("bundled://gemma-3-270m", progress))
    generator = OpenAITokenGenerator(server, tokenizer, "gemma-base", 128, "gemma")
    conversations = asked("대한민국의 수도는 어디인가요?", "하늘은 무슨 색인가요?")
    replies = generator.generate(conversations, SETTINGS)
    template = load_template("gemma-base")
    for messages, reply in zip(conversations, replies, strict=True):
        assert reply.prompt_tokens == len(encode_prompt(tokenizer, template, messages))
        assert 0 < reply.completion_tokens <= SETTINGS.max_new_tokens
        assert reply.text


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
def test_missing_vllm_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="'vllm' is not installed") as caught:
        open_engine(infer_settings(engine="vllm"), tmp_path, "student@1")
    assert "gukbap[vllm]" in str(caught.value)
