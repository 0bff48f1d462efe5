"""Chat models that a run asks, as teacher or judge, and where they are served."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from gukbap.config.base import Section


class Mirror(Section):
    """A further server of the same model, which shares the work."""

    base_url: str = Field(pattern=r"^https?://\S+$", description="an OpenAI-compatible server, with its /v1")
    model: str | None = Field(None, min_length=1, description="what this server calls the model; null: alike")
    api_key_env: str | None = Field(
        None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="NAME of the variable with this server's key"
    )
    concurrency: int = Field(4, ge=1, le=1024)
    requests_per_minute: int | None = Field(None, ge=1)
    tokens_per_minute: int | None = Field(None, ge=1)

    def changes(self) -> dict[str, Any]:
        """What of an endpoint this server has otherwise."""
        values = self.model_dump()
        return values if self.model is not None else {k: v for k, v in values.items() if k != "model"}


#: arguments of vLLM's server that are this project's own business
_VLLM_OWN = ("--api-key", "--host", "--port", "--served-model-name", "--model")


class VllmServer(Section):
    """A vLLM server that the step starts for its model, and that ends with the step."""

    gpus: int = Field(1, ge=1, description="over which the model is spread (--tensor-parallel-size)")
    arguments: list[str] = Field(default_factory=list, description="further arguments of vLLM's server")
    start_seconds: float = Field(3600, gt=0, description="how long fetching and loading the model may take")

    @model_validator(mode="after")
    def _arguments_are_free(self) -> VllmServer:
        for argument in self.arguments:
            if argument.partition("=")[0] in _VLLM_OWN:
                raise ValueError(f"argument {argument.partition('=')[0]} is set by gukbap itself")
        return self


_MODEL_FOLDERS = ("hf://", "s3://", "file://", "bundled://", "random://")


class Endpoint(Section):
    """A chat model: one of the catalogue served by llama.cpp here, or any OpenAI-compatible server."""

    model: str = Field(
        description="bundled://NAME, scripted://NAME, the server's name of the model when base_url is set, "
        "or with vllm hf://ORG/NAME@REVISION, s3://BUCKET/PREFIX, file://FOLDER or bundled://NAME"
    )
    base_url: str | None = Field(
        None, pattern=r"^https?://\S+$", description="an OpenAI-compatible server, with its /v1"
    )
    api_key_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="NAME of the environment variable with the key; never the key",
    )
    vllm: VllmServer | None = Field(
        None, description="serve the model with vLLM for as long as the step runs, on GPUs of its own"
    )
    concurrency: int = Field(
        4, ge=1, le=1024, description="calls under way at once; a busy server gets fewer"
    )
    requests_per_minute: int | None = Field(None, ge=1, description="what the server allows; null: no limit")
    tokens_per_minute: int | None = Field(
        None, ge=1, description="what the server allows, of prompts and replies; null: no limit"
    )
    context_length: int = Field(
        2048, ge=256, description="tokens per call that a server started here has room for"
    )
    revision: str | None = Field(
        None,
        min_length=1,
        description="of the weights that a server serves: a commit or tag",
    )
    licence: str | None = Field(
        None,
        min_length=1,
        description="of the weights, for example Apache-2.0; a teacher on a server or in a file must state "
        "one, the catalogue has those of bundled models",
    )
    timeout_seconds: float = Field(300, gt=0)
    prompt_price: float | None = Field(
        None, ge=0, description="what a million prompt tokens cost; null: not known, and no cost is told"
    )
    completion_price: float | None = Field(None, ge=0, description="what a million reply tokens cost")
    max_retries: int = Field(
        5, ge=0, description="further tries after a transient failure, with exponential backoff"
    )
    mirrors: list[Mirror] = Field(
        default_factory=list,
        description="further servers of the same weights that share the work; prices and licence are alike",
    )

    @property
    def weights(self) -> str:
        """What the model is called wherever it is served: without kind, folders, ending, revision and case.

        Equal names mean one model; different ones may do so, too (a server can call it anything).
        """
        name = self.model.rpartition("/")[2].partition("@")[0]
        return name.casefold().removesuffix(".gguf")

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What so many tokens cost, in the currency of the prices; None where a price is not known."""
        if self.prompt_price is None or self.completion_price is None:
            return None
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1_000_000

    @model_validator(mode="after")
    def _reachable(self) -> Endpoint:
        if self.vllm is not None:
            if self.base_url is not None:
                raise ValueError("base_url names a server that runs, vllm starts one; set one of them")
            if not self.model.startswith(_MODEL_FOLDERS):
                raise ValueError(
                    f"model {self.model!r} is no folder that vLLM can load; allowed are "
                    "hf://ORG/NAME@REVISION, s3://BUCKET/PREFIX, file://FOLDER and bundled://NAME"
                )
            return self
        if self.base_url is None and not self.model.startswith(("bundled://", "file://", "scripted://")):
            raise ValueError(
                f"model {self.model!r} needs base_url (a server that has it); "
                "without one, allowed are bundled://NAME, file://PATH.gguf and scripted://NAME"
            )
        if self.mirrors and self.base_url is None:
            raise ValueError("mirrors share the work of a server; set base_url, too")
        return self

    def mirrored(self) -> list[Endpoint]:
        """Each server as an endpoint of its own: this one first, then its mirrors."""
        alone = self.model_copy(update={"mirrors": []})
        return [alone, *(alone.model_copy(update=mirror.changes()) for mirror in self.mirrors)]
