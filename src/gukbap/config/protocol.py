"""LogicKor's way to generate answers, and where a recipe departs from it.

What LogicKor's generator does (method facts, «LogicKor generation»), and what holds it here:

| LogicKor | here |
| --- | --- |
| temperature 0 | always: no setting changes it |
| max_tokens = model length | `infer.max_new_tokens: null`, or as much as the model length |
| its stop strings, and no others | `infer.stop` is `LOGICKOR_STOP` |
| special tokens skipped, output stripped | always, by every engine |
| few-shot messages before both turns | always |
| turn 2 sees the model's own turn 1 | always |
| its chat template, one BOS | ids of `student.chat_template`; not with `openai_api: chat` |
| all questions | `evaluate.questions_per_category: null` |

The model length of LogicKor's generator is an option whose default is 4096. Here it is
`infer.max_model_len`, or where that is null the length that the student was trained with
(`student.max_length`; the card's context is 8192): a student is asked with the context that it has.
"""

from __future__ import annotations

from typing import Protocol

from gukbap.config.evaluation import LOGICKOR_STOP, EvaluateConfig, InferConfig
from gukbap.config.training import StudentConfig


class Evaluated(Protocol):
    """A recipe, or the settings of an infer step."""

    @property
    def student(self) -> StudentConfig:
        """The model that answers."""

    @property
    def infer(self) -> InferConfig:
        """How it answers."""

    @property
    def evaluate(self) -> EvaluateConfig:
        """What it is asked."""


def model_length(of: Evaluated) -> int:
    """Tokens of prompt and answer together."""
    return of.infer.max_model_len or of.student.max_length


def answer_length(of: Evaluated) -> int:
    """Tokens of an answer at most: as many as are asked for, and never over the model length."""
    return of.infer.max_new_tokens or model_length(of)


def deviations(of: Evaluated) -> list[str]:
    """Where the answers are generated otherwise than LogicKor does it: a sentence each, none if nowhere.

    It is about the protocol. Which questions and few-shot messages are asked, LogicKor's or others, is
    told by the pack's identity; which strategies are asked is no departure, since LogicKor asks one a run.
    """
    found = []
    if of.infer.max_new_tokens is not None and of.infer.max_new_tokens < model_length(of):
        found.append(
            f"infer.max_new_tokens is {of.infer.max_new_tokens}, below the model length of "
            f"{model_length(of)} tokens"
        )
    if set(of.infer.stop) != set(LOGICKOR_STOP):
        missing = [stop for stop in LOGICKOR_STOP if stop not in of.infer.stop]
        further = [stop for stop in of.infer.stop if stop not in LOGICKOR_STOP]
        told = [
            f"{kind} {' '.join(strings)}"
            for kind, strings in (("without", missing), ("with", further))
            if strings
        ]
        found.append(f"infer.stop is not LogicKor's: {', '.join(told)}")
    asked = of.evaluate.questions_per_category
    if asked is not None:
        found.append(f"evaluate.questions_per_category is {asked}: not all questions are asked")
    if of.infer.engine == "openai" and of.infer.openai_api == "chat":
        found.append(
            "infer.openai_api is chat: the server applies a chat template of its own, so that neither the "
            "prompt nor its BOS is known"
        )
    return found
