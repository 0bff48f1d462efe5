"""Students answered by an OpenAI-compatible server that serves them already."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gukbap.adapters.stop_strings import before_stop
from gukbap.ports import ChatModel, Completion, GenerationSettings, Sampling
from gukbap.schemas import Message


class OpenAIGenerator:
    """A chat model as a student.

    The server applies its own chat template; stop strings are looked for here, so that every server
    treats them alike.

    Args:
        model: the chat model; its `concurrency` bounds the calls under way.
        name: the identity that is written into answers.
    """

    def __init__(self, model: ChatModel, name: str) -> None:
        self._model, self._name = model, name

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

    async def _all(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        gate = asyncio.Semaphore(self._model.concurrency)
        sampling = Sampling(
            temperature=settings.temperature,
            top_p=1.0,
            max_tokens=settings.max_new_tokens,
            seed=settings.seed,
        )

        async def one(messages: Sequence[Message]) -> Completion:
            async with gate:
                reply = await self._model.complete(messages, sampling)
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
