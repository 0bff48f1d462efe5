"""The dev prompts of a training, and how a model under training answers them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gukbap.chat_templates import ChatTemplate, encode_prompt
from gukbap.config import TrainSettings
from gukbap.errors import ConfigError
from gukbap.files import sha256_text
from gukbap.schemas import Message
from gukbap.stages.train.dev_rules import GATES, PARTS, marks, score
from gukbap.stages.train.encoding import Example
from gukbap.stages.train.generation import Generated, end_ids, greedy_answers


@dataclass(frozen=True)
class DevPrompt:
    """A question with its token ids; `reference` is a validation row's own answer, `row_id` its row.

    Both are None of a prompt of the settings.
    """

    question: str
    ids: list[int]
    reference: str | None = None
    row_id: str | None = None


@dataclass(frozen=True)
class DevSet:
    """Dev prompts, and what is needed to answer them in at most `max_new_tokens` each."""

    prompts: list[DevPrompt]
    max_new_tokens: int
    tokenizer: Any
    template: ChatTemplate
    settings: TrainSettings

    def answered(self, model: Any, pause: Callable[[], None]) -> dict[str, Any]:
        """Answer every prompt and score the answers: `dev_score`, the share of answers that keep each of
        the `dev_rules`, and the `answers`; empty where there is no prompt.

        Every process of a training has to call it; `pause` is called before each batch of prompts.
        """
        if not self.prompts:
            return {}
        train = self.settings.train
        ends = end_ids(model, self.tokenizer, self.template)
        generated = greedy_answers(
            model,
            [prompt.ids for prompt in self.prompts],
            ends,
            pause,
            max_new_tokens=self.max_new_tokens,
            precision=train.precision,
            sharded=train.sharding == "fsdp",
        )
        answers = [self._scored(*pair) for pair in zip(self.prompts, generated, strict=True)]
        return {
            "dev_score": fmean(answer["score"] for answer in answers),
            "dev_rules": {rule: fmean(answer["rules"][rule] for answer in answers) for rule in GATES + PARTS},
            "answers": answers,
        }

    def _scored(self, prompt: DevPrompt, generated: Generated) -> dict[str, Any]:
        text = self.tokenizer.decode(generated.ids, skip_special_tokens=False).strip()
        given = marks(
            prompt.question,
            text,
            ended=generated.ended,
            reference=prompt.reference,
            special_tokens=self.tokenizer.all_special_tokens,
        )
        return {
            "row_id": prompt.row_id,
            "prompt": prompt.question,
            "answer": text,
            "ended": generated.ended,
            "score": score(given),
            "rules": given,
        }


def dev_set(
    settings: TrainSettings, validation: Sequence[Example], tokenizer: Any, template: ChatTemplate
) -> DevSet:
    """The prompts of the settings, then first questions of validation rows.

    Of the rows, those are taken whose answer fits into the tokens that an answer may have: others could not
    be answered to the end. They are spread over the categories and drawn by seed and row id, so that their
    order in the file is of no account. A prompt that leaves no room for an answer is left out.

    Raises:
        ConfigError: no prompt is left, and `train.selection` goes by the answers.
    """
    train = settings.train
    most = min(train.dev_max_new_tokens, settings.student.max_length // 2)
    fixed = (
        _prompt([Message(role="user", content=text)], tokenizer, template) for text in train.sample_prompts
    )
    rows = (
        _of_row(example, tokenizer, template)
        for example in _spread(validation, settings.seed)
        if sum(example.trained) <= most
    )

    def fits(prompt: DevPrompt) -> bool:
        return len(prompt.ids) + most <= settings.student.max_length

    prompts = [*filter(fits, fixed), *itertools.islice(filter(fits, rows), train.dev_prompts)]
    if not prompts and train.selection == "dev_score":
        raise ConfigError(
            f"no dev prompt fits into student.max_length ({settings.student.max_length} tokens) with an "
            f"answer of {most}",
            expected="at least one, since train.selection is dev_score",
            fix="shorten train.sample_prompts, or set train.selection=validation_loss",
        )
    return DevSet(prompts, most, tokenizer, template, settings)


def _spread(examples: Sequence[Example], seed: int) -> list[Example]:
    """One of each category in turn."""
    by_category: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda one: sha256_text(f"{seed}/{one.row_id}")):
        by_category.setdefault(example.category, []).append(example)
    rounds = itertools.zip_longest(*(by_category[name] for name in sorted(by_category)))
    return [example for turn in rounds for example in turn if example is not None]


def _of_row(example: Example, tokenizer: Any, template: ChatTemplate) -> DevPrompt:
    first = next(place for place, one in enumerate(example.messages) if one.role == "assistant")
    prompt = _prompt(example.messages[:first], tokenizer, template)
    return DevPrompt(prompt.question, prompt.ids, example.messages[first].content, example.row_id)


def _prompt(messages: Sequence[Message], tokenizer: Any, template: ChatTemplate) -> DevPrompt:
    return DevPrompt(messages[-1].content, encode_prompt(tokenizer, template, messages))
