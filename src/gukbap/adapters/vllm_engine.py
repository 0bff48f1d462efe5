"""Students answered with vLLM: continuous batching on one or more GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gukbap.chat_templates import encode_prompt, end_token_id, load_template
from gukbap.config import InferConfig
from gukbap.errors import ModelError
from gukbap.ports import Completion, GenerationSettings
from gukbap.schemas import Message

#: vLLM schedules by itself: it gets as many conversations at once as are worth losing in a crash.
HANDED_OVER_AT_ONCE = 256


class VllmEngine:
    """A model folder behind vLLM's offline engine.

    Prompts are handed over as token ids with exactly one BOS, and shared few-shot prefixes are
    computed once (prefix caching).

    Args:
        model_folder: a folder with weights, config and tokenizer.
        template_name: the pinned chat template.
        infer: number format, quantisation, tensor parallelism and the share of GPU memory.
        max_length: tokens of prompt and answer together.
        name: the identity that is written into answers.
        seed: of the engine.

    Raises:
        ModelError: vLLM is not installed, or cannot load the folder.
    """

    def __init__(
        self,
        model_folder: Path,
        template_name: str,
        infer: InferConfig,
        max_length: int,
        name: str,
        seed: int,
    ) -> None:
        try:
            from vllm import LLM
        except ImportError as error:
            raise ModelError(
                f"engine 'vllm' is not installed ({error})",
                fix="pip install 'gukbap[vllm]' in its own environment, or set infer.engine=transformers",
            ) from error
        self._name, self._max_length = name, max_length
        self._template = load_template(template_name)
        try:
            self._engine = LLM(
                model=str(model_folder),
                dtype=infer.dtype,
                quantization=infer.quantization,
                tensor_parallel_size=infer.tensor_parallel_size,
                gpu_memory_utilization=infer.gpu_memory_utilization,
                max_model_len=max_length,
                # Turn 2 begins with turn 1, and all questions of a strategy with its few-shot messages.
                enable_prefix_caching=True,
                seed=seed,
                # The folder's generation_config may hold a repetition penalty; greedy means greedy.
                generation_config="vllm",
            )
        except (OSError, ValueError, RuntimeError) as error:
            # A pydantic error of several lines, of which the last ones point to pydantic's own pages.
            reason = " ".join(str(error).partition("[type=")[0].split())
            raise ModelError(
                f"vLLM cannot load {model_folder}: {reason}",
                expected="a folder with config, weights and tokenizer, and room in the GPU's memory",
                # vLLM's message often only points to the log of its engine process.
                fix="look at vLLM's log above; lower infer.max_model_len or infer.gpu_memory_utilization, "
                "raise infer.tensor_parallel_size, or mend infer.quantization",
            ) from error
        self._tokenizer = self._engine.get_tokenizer()

    @property
    def name(self) -> str:
        """The model's identity as it is written into answers."""
        return self._name

    @property
    def batch_size(self) -> int:
        """How many conversations are handed over at once."""
        return HANDED_OVER_AT_ONCE

    def generate(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        """Answer each conversation; the replies come in the order of the conversations.

        A conversation that leaves no room for an answer gets an empty reply with the finish reason
        "length"; its `prompt_tokens` say how long it is.
        """
        from vllm import SamplingParams

        prompts = [encode_prompt(self._tokenizer, self._template, messages) for messages in conversations]
        replies = [Completion("", "length", len(prompt), 0) for prompt in prompts]
        asked = [index for index, prompt in enumerate(prompts) if len(prompt) < self._max_length]
        if not asked:
            return replies
        end_id = end_token_id(self._tokenizer, self._template)
        sampling = [
            SamplingParams(
                temperature=settings.temperature,
                max_tokens=min(settings.max_new_tokens, self._max_length - len(prompts[index])),
                stop=list(settings.stop),
                stop_token_ids=[end_id],
                seed=settings.seed,
                skip_special_tokens=True,
            )
            for index in asked
        ]
        outputs = self._engine.generate(
            [{"prompt_token_ids": prompts[index]} for index in asked], sampling, use_tqdm=False
        )
        for index, output in zip(asked, outputs, strict=True):
            answer = output.outputs[0]
            reason = answer.finish_reason
            if reason not in ("stop", "length"):
                raise ModelError(
                    f"vLLM ended an answer with {reason!r}", fix="look at vLLM's log, then resume"
                )
            replies[index] = Completion(
                answer.text.strip(), reason, len(prompts[index]), len(answer.token_ids)
            )
        return replies

    def close(self) -> None:
        """Give GPU memory and worker processes back."""
        self._engine.llm_engine.engine_core.shutdown()
        del self._engine
