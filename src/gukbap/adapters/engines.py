"""The engine that a recipe names."""

from __future__ import annotations

from pathlib import Path

from gukbap.config import Endpoint, InferSettings, model_length
from gukbap.ports import Generator


def open_engine(settings: InferSettings, model_folder: Path, name: str) -> Generator:
    """A student ready to answer, on the engine of `infer.engine`.

    With the engine "openai" the server's name of the model is "tuned" for the trained student, and
    for the base student its reference without scheme and revision (hf://org/name@rev → org/name).

    Args:
        settings: what the infer step depends on.
        model_folder: the weights and the tokenizer (the engine "openai" reads the tokenizer at most).
        name: the identity that is written into answers.

    Raises:
        ModelError: the engine is not installed, or the model cannot be loaded.
        ConfigError: the environment variable of the server's key is not set.
    """
    infer, student, length = settings.infer, settings.student, model_length(settings)
    if infer.engine == "openai":
        from gukbap.adapters.openai_chat import OpenAIChat
        from gukbap.adapters.openai_generator import OpenAIGenerator, OpenAITokenGenerator

        endpoint = Endpoint(
            model=_served_name(settings),
            base_url=infer.base_url,
            api_key_env=infer.api_key_env,
            concurrency=infer.batch_size,
        )
        server = OpenAIChat.from_endpoint(endpoint)
        if infer.openai_api == "chat":
            return OpenAIGenerator(server, student.chat_template, length, name)
        from gukbap.adapters.transformers_engine import load_tokenizer

        return OpenAITokenGenerator(server, load_tokenizer(model_folder), student.chat_template, length, name)
    if infer.engine == "vllm":
        from gukbap.adapters.vllm_engine import VllmEngine

        return VllmEngine(model_folder, student.chat_template, infer, length, name, settings.seed)
    from gukbap.adapters.transformers_engine import TransformersEngine

    return TransformersEngine(
        model_folder, student.chat_template, infer.dtype, infer.batch_size, length, name
    )


def _served_name(settings: InferSettings) -> str:
    if settings.subject == "tuned":
        return "tuned"
    return settings.student.model.partition("://")[2].partition("@")[0]
