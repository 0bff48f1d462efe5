"""Students answered by an OpenAI-compatible server that serves them already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from gukbap.adapters.openai_chat import OpenAIChat
from gukbap.adapters.stop_strings import before_stop
from gukbap.chat_templates import TokenizerLike, encode_prompt, end_token_id, load_template
from gukbap.errors import EndpointError
from gukbap.ports import ChatModel, Completion, GenerationSettings, Sampling
from gukbap.schemas import Message

#: OpenAI's API reference: "Up to 4 sequences where the API will stop"; some servers refuse a fifth.
STOPS_OF_A_SERVER = 4


class OpenAIGenerator:
    """A chat model as a student.

    The server applies its own chat template, and to be asked what the template says it must be the one
    that the student was trained with. All stop strings are looked for here, so that every server treats
    them alike; four are also sent, which spares the tokens after them: those of the student's template
    first, since they are what it writes when it does not stop by itself.

    Args:
        model: the chat model; its `concurrency` bounds the calls under way.
        template_name: the pinned chat template of the student.
        max_length: tokens of prompt and answer together; an answer that may be as long has no bound of
            its own, since a server refuses a prompt whose bound does not fit behind it.
        name: the identity that is written into answers.
    """

    def __init__(self, model: ChatModel, template_name: str, max_length: int, name: str) -> None:
        self._model, self._name, self._max_length = model, name, max_length
        self._template = load_template(template_name)

    @property
    def name(self) -> str:
        """The model's identity as it is written into answers."""
        return self._name

    @property
    def batch_size(self) -> int:
        """How many conversations are worth handing over at once."""
        return self._model.concurrency

    def generate(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        """Answer each conversation; the replies come in the order of the conversations.

        Raises:
            EndpointError: the server cannot be reached, refuses the key or keeps failing.
        """
        return asyncio.run(self._all(conversations, settings))

    async def _complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        return await self._model.complete(messages, sampling)

    def _sent(self, stop: Sequence[str]) -> tuple[str, ...]:
        own_first = sorted(stop, key=lambda string: string not in self._template.jinja)
        return tuple(own_first[:STOPS_OF_A_SERVER])

    async def _all(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        gate = asyncio.Semaphore(self._model.concurrency)
        sampling = Sampling(
            temperature=settings.temperature,
            top_p=1.0,
            max_tokens=settings.max_new_tokens if settings.max_new_tokens < self._max_length else None,
            seed=settings.seed,
            stop=self._sent(settings.stop),
        )

        async def one(messages: Sequence[Message]) -> Completion:
            async with gate:
                reply = await self._complete(messages, sampling)
            text = before_stop(reply.text, settings.stop)
            ended = "stop" if len(text) < len(reply.text) else reply.finish_reason
            return Completion(text.strip(), ended, reply.prompt_tokens, reply.completion_tokens)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(messages)) for messages in conversations]
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return [task.result() for task in tasks]

    def close(self) -> None:
        """Nothing to give back: the server is not ours."""


class OpenAITokenGenerator(OpenAIGenerator):
    """A server's model as a student that is sent token ids: exactly one BOS, as in training.

    Args:
        model: the server's model.
        tokenizer: the student's.
        template_name: the pinned chat template.
        max_length: tokens of prompt and answer together.
        name: the identity that is written into answers.
    """

    def __init__(
        self, model: OpenAIChat, tokenizer: TokenizerLike, template_name: str, max_length: int, name: str
    ) -> None:
        super().__init__(model, template_name, max_length, name)
        self._server, self._tokenizer = model, tokenizer
        self._end_id = end_token_id(tokenizer, self._template)

    async def _complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        prompt = encode_prompt(self._tokenizer, self._template, messages)
        room = self._max_length - len(prompt)
        if room <= 0:
            return Completion("", "length", len(prompt), 0)
        # Always said: without it a completion ends after 16 tokens (OpenAI's API reference).
        bounded = replace(sampling, max_tokens=min(sampling.max_tokens or room, room))
        reply = await self._server.complete_ids(prompt, bounded, self._end_id)
        if reply.prompt_tokens not in (0, len(prompt)):
            raise EndpointError(
                f"{self._server!r} counts {reply.prompt_tokens} tokens where {len(prompt)} were sent",
                expected="a server that continues token ids as they are, with no BOS of its own",
                fix="serve the student with vLLM, SGLang or llama.cpp, or set infer.openai_api=chat",
            )
        return replace(reply, prompt_tokens=len(prompt))
