"""Students answered with transformers: batches, left padding, the key-value cache, exact token ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from gukbap.adapters.stop_strings import before_stop
from gukbap.chat_templates import ChatTemplate, encode_prompt, end_token_id, load_template
from gukbap.errors import ModelError
from gukbap.ports import Completion, FinishReason, GenerationSettings
from gukbap.schemas import Message

Precision = Literal["float32", "bfloat16", "float16", "auto"]


class TransformersEngine:
    """A model folder that is loaded once and answers batches of conversations.

    Prompts are handed over as token ids with exactly one BOS. An answer ends at the template's end
    token, at a further end token that the model names, at a stop string, or where max_new_tokens or
    max_length is reached; only the last of these gives the finish reason "length". The model's own
    sampling defaults (a repetition penalty, a top-k) are not used: greedy means greedy.

    Args:
        model_folder: a folder with weights, config and tokenizer, as `save_pretrained` writes it.
        template_name: the pinned chat template.
        dtype: number format; "auto" is float32 on a CPU and bfloat16 on a GPU.
        batch_size: conversations that are answered together.
        max_length: tokens of prompt and answer together.
        name: the identity that is written into answers.

    Raises:
        ModelError: transformers is not installed, or the folder cannot be loaded.
    """

    def __init__(
        self,
        model_folder: Path,
        template_name: str,
        dtype: Precision,
        batch_size: int,
        max_length: int,
        name: str,
    ) -> None:
        self._name, self._batch_size, self._max_length = name, batch_size, max_length
        self._template = load_template(template_name)
        self._tokenizer, self._model = _load(model_folder, dtype)
        self._end_ids = _end_ids(self._tokenizer, self._model, self._template)

    @property
    def name(self) -> str:
        """The model's identity as it is written into answers."""
        return self._name

    @property
    def batch_size(self) -> int:
        """How many conversations are answered together."""
        return self._batch_size

    def generate(
        self, conversations: Sequence[Sequence[Message]], settings: GenerationSettings
    ) -> list[Completion]:
        """Answer each conversation; the replies come in the order of the conversations.

        A conversation that leaves no room for an answer (its tokens reach max_length) gets an empty
        reply with the finish reason "length"; its `prompt_tokens` say how long it is.
        """
        prompts = [encode_prompt(self._tokenizer, self._template, messages) for messages in conversations]
        replies = [Completion("", "length", len(prompt), 0) for prompt in prompts]
        asked = [index for index, prompt in enumerate(prompts) if len(prompt) < self._max_length]
        for start in range(0, len(asked), self._batch_size):
            batch = asked[start : start + self._batch_size]
            answered = self._batch([prompts[index] for index in batch], settings)
            for index, reply in zip(batch, answered, strict=True):
                replies[index] = reply
        return replies

    def _batch(self, prompts: Sequence[list[int]], settings: GenerationSettings) -> list[Completion]:
        import torch
        from transformers import GenerationConfig

        width = max(map(len, prompts))
        pad = self._end_ids[0]
        ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        limits = [min(settings.max_new_tokens, self._max_length - len(prompt)) for prompt in prompts]
        stopping = _Stopping(self._tokenizer, self._end_ids, settings.stop, limits, width)
        greedy = settings.temperature == 0
        config = GenerationConfig(
            do_sample=not greedy,
            temperature=None if greedy else settings.temperature,
            top_k=None if greedy else 0,
            max_new_tokens=max(limits),
            pad_token_id=pad,
            eos_token_id=None,
        )
        torch.manual_seed(settings.seed)
        with torch.inference_mode():
            output = self._model.generate(
                input_ids=ids.to(self._model.device),
                attention_mask=mask.to(self._model.device),
                generation_config=config,
                stopping_criteria=[stopping],
            )
        return [
            self._completion(prompt, row[width:].tolist(), settings.stop, count, reason)
            for prompt, row, count, reason in zip(
                prompts, output, stopping.counts, stopping.reasons, strict=True
            )
        ]

    def _completion(
        self, prompt: list[int], new_ids: list[int], stop: Sequence[str], count: int, reason: FinishReason
    ) -> Completion:
        text = self._tokenizer.decode(new_ids[:count], skip_special_tokens=True)
        return Completion(before_stop(text, stop).strip(), reason, len(prompt), count)

    def close(self) -> None:
        """Give the model's memory back."""
        import torch

        self._model = None

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


class _Stopping:
    """Says row by row when an answer has ended, and remembers after how many tokens and why.

    transformers' own stop strings compile a table over the whole vocabulary for each set of strings
    and cannot bound rows apart; here the last few tokens of each row are decoded at each step.
    """

    def __init__(
        self, tokenizer: Any, end_ids: Sequence[int], stop: Sequence[str], limits: Sequence[int], width: int
    ) -> None:
        self._tokenizer, self._end_ids, self._stop = tokenizer, frozenset(end_ids), stop
        self._limits, self._width = limits, width
        # A token is at least one byte; the spare ones let the window begin inside a character.
        self._window = max((len(text.encode()) for text in stop), default=0) + 4
        self._running = [True] * len(limits)
        self.counts = [0] * len(limits)
        self.reasons: list[FinishReason] = ["length"] * len(limits)

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        """Whether each row is done, as a boolean tensor of the batch's length."""
        import torch

        produced = input_ids.shape[1] - self._width
        tails = input_ids[:, max(self._width, input_ids.shape[1] - self._window) :].tolist()
        for row, tail in enumerate(tails):
            if self._running[row]:
                self.counts[row] = produced
                if self._ended(tail):
                    self.reasons[row] = "stop"
                    self._running[row] = False
                elif produced >= self._limits[row]:
                    self._running[row] = False
        return torch.tensor([not running for running in self._running], device=input_ids.device)

    def _ended(self, tail: list[int]) -> bool:
        if tail[-1] in self._end_ids:
            return True
        if not self._stop:
            return False
        text = self._tokenizer.decode(tail, skip_special_tokens=False)
        return any(stop in text for stop in self._stop)


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a model folder.

    Raises:
        ModelError: transformers is not installed, or the folder has no tokenizer that it can load.
    """
    with _explained(folder):
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(folder, local_files_only=True)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise ModelError(
            f"transformers is not installed ({error})", fix="pip install 'gukbap[train]'"
        ) from error
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
        raise ModelError(
            f"{folder} cannot be loaded: {reason}",
            expected="a folder with config.json, safetensors weights and a tokenizer",
            fix="check student.model, or train again where the folder is a run's own model",
        ) from error


def _load(folder: Path, dtype: Precision) -> tuple[Any, Any]:
    tokenizer = load_tokenizer(folder)
    with _explained(folder):
        return tokenizer, _load_model(folder, dtype)


def _load_model(folder: Path, dtype: Precision) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig
    from transformers.utils import logging

    device = "cuda" if torch.cuda.is_available() else "cpu"
    automatic = "float32" if device == "cpu" else "bfloat16"
    number_format = getattr(torch, automatic if dtype == "auto" else dtype)
    # Its bar counts tensors on a line of its own, in the middle of ours.
    logging.disable_progress_bar()
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=number_format, local_files_only=True)
    finally:
        logging.enable_progress_bar()
    model.to(device).eval()
    own_defaults = model.generation_config
    # generate() falls back to these for everything that a call leaves open.
    model.generation_config = GenerationConfig(
        bos_token_id=own_defaults.bos_token_id, eos_token_id=own_defaults.eos_token_id
    )
    return model


def _end_ids(tokenizer: Any, model: Any, template: ChatTemplate) -> list[int]:
    """The template's end token first, then the tokenizer's and the model's own end tokens."""
    own = model.generation_config.eos_token_id
    further = [tokenizer.eos_token_id, *(own if isinstance(own, list) else [own])]
    first = end_token_id(tokenizer, template)
    return list(dict.fromkeys([first, *(int(token) for token in further if token is not None)]))
