"""Which adapter serves an endpoint."""

from __future__ import annotations

from gukbap.config import Endpoint
from gukbap.errors import ConfigError
from gukbap.ports import ChatModel, Progress


def open_chat(endpoint: Endpoint, progress: Progress) -> ChatModel:
    """The chat model of an endpoint.

    Args:
        endpoint: with base_url an OpenAI-compatible server; with vllm a model folder that a vLLM server of
            its own serves; else scripted://NAME, or a GGUF file (bundled://NAME, file://PATH) that llama.cpp
            serves in this process.
        progress: where it is told that a model is fetched.

    Raises:
        ConfigError: the key's environment variable is not set, or the reference is of no known kind.
        ModelError: the file cannot be found, fetched or loaded.
    """
    if endpoint.base_url is not None:
        from gukbap.adapters.mirrored_chat import MirroredChat
        from gukbap.adapters.openai_chat import OpenAIChat

        servers = [OpenAIChat.from_endpoint(server) for server in endpoint.mirrored()]
        return MirroredChat(servers) if len(servers) > 1 else servers[0]
    if endpoint.vllm is not None:
        from gukbap.adapters.model_references import resolve_model
        from gukbap.adapters.vllm_server import VllmChat

        name = endpoint.model.partition("://")[2].partition("@")[0]
        return VllmChat(resolve_model(endpoint.model, progress), endpoint, name, progress)
    if endpoint.model.startswith("scripted://"):
        from gukbap.adapters.scripted_chat import ScriptedChat

        return ScriptedChat(concurrency=endpoint.concurrency)
    if endpoint.model.startswith(("bundled://", "file://")):
        from gukbap.adapters.llama_cpp import LlamaCppChat
        from gukbap.adapters.model_references import resolve_gguf

        return LlamaCppChat(resolve_gguf(endpoint.model, progress), endpoint)
    raise ConfigError(
        f"no chat model can be opened for {endpoint.model!r} without base_url",
        expected="base_url, or bundled://NAME, file://PATH.gguf or scripted://NAME",
    )
