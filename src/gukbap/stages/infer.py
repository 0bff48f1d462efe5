"""Infer: the student answers two-turn questions under each prompt strategy (LogicKor's generation)."""

from __future__ import annotations

import statistics as st
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gukbap.config import InferSettings, answer_length, model_length
from gukbap.errors import InputError
from gukbap.files import canonical_json, nfc, sha256_text
from gukbap.journal import Journal
from gukbap.ports import Completion, GenerationSettings, Generator, Progress, ProgressBar
from gukbap.schemas import Answer, Message, Question, Strategy

Conversation = list[Message]


@dataclass(frozen=True)
class InferResult:
    """Answers by strategy, in the order of the questions, and what can be counted about them.

    Everything in `statistics` is deterministic except what stands under "timing".
    """

    answers: dict[Strategy, list[Answer]]
    statistics: dict[str, Any]


def infer(
    settings: InferSettings,
    questions: Sequence[Question],
    strategies: Mapping[Strategy, Sequence[Message]],
    generator: Generator,
    journal: Journal,
    progress: Progress,
) -> InferResult:
    """Ask every question's two turns under every strategy of the settings, with one generator.

    The strategy's few-shot messages come before both turns; turn 2 sees the model's own answer to
    turn 1. Strategies are taken one after the other and share no batch, so that an answer and the key
    under which it is journalled do not depend on which other strategies are asked; the key covers the
    model's name, the conversation and the settings. A killed run goes on where it was.

    Raises:
        InputError: a strategy has no messages, or a question alone does not fit in the context.
        GukbapError: the generator fails.
    """
    absent = [strategy for strategy in settings.strategies if strategy not in strategies]
    if absent:
        raise InputError(
            f"there are no messages for the strategies {', '.join(absent)}",
            expected=f"some of {', '.join(strategies) or 'none'}",
            fix="add them to evaluate.strategies_file, or take them out of infer.strategies",
        )
    turns = {strategy: _Turns(settings, strategy, generator, journal) for strategy in settings.strategies}
    answers = {
        strategy: _ask(settings, strategy, strategies[strategy], questions, turns[strategy], progress)
        for strategy in settings.strategies
    }
    statistics = {
        "answers": sum(map(len, answers.values())),
        "strategies": {strategy: _statistics(given) for strategy, given in answers.items()},
        "timing": _timing(turns.values()),
    }
    return InferResult(answers, statistics)


def _ask(
    settings: InferSettings,
    strategy: Strategy,
    few_shot: Sequence[Message],
    questions: Sequence[Question],
    turns: _Turns,
    progress: Progress,
) -> list[Answer]:
    with progress.bar(f"infer {settings.subject} {strategy}", 2 * len(questions)) as bar:
        first_asked = [[*few_shot, _user(question, 1)] for question in questions]
        first = turns.complete(
            first_asked, bar, lambda index, reply: _check_room(settings, strategy, questions[index], reply)
        )
        second_asked = [
            [*asked, Message(role="assistant", content=reply.text), _user(question, 2)]
            for asked, reply, question in zip(first_asked, first, questions, strict=True)
        ]
        second = turns.complete(second_asked, bar)
    return [
        _answer(settings, strategy, turns.model, question, pair)
        for question, *pair in zip(questions, first, second, strict=True)
    ]


class _Turns:
    """A generator behind a journal, for one strategy."""

    def __init__(
        self, settings: InferSettings, strategy: Strategy, generator: Generator, journal: Journal
    ) -> None:
        self._generator, self._journal = generator, journal
        self._sampling = GenerationSettings(
            max_new_tokens=answer_length(settings),
            stop=tuple(settings.infer.stop),
            seed=settings.seed,
        )
        # What else the text depends on: a template or a number format changes it without the name.
        self._context = [
            settings.student.chat_template,
            model_length(settings),
            settings.infer.engine,
            settings.infer.openai_api,
            settings.infer.dtype,
            settings.infer.quantization,
            strategy,
        ]
        #: seconds and tokens of what this process generated
        self.seconds = 0.0
        self.tokens = 0

    @property
    def model(self) -> str:
        """The identity of the model that answers."""
        return self._generator.name

    def complete(
        self,
        conversations: Sequence[Conversation],
        bar: ProgressBar,
        check: Callable[[int, Completion], None] | None = None,
    ) -> list[Completion]:
        """The replies in the order of the conversations, from the journal where they are there.

        A batch of which only a part is journalled is generated whole again: its composition, and
        with it every rounding of its numbers, is the same as in a run that was never stopped.
        """
        keys = [self._key(conversation) for conversation in conversations]
        for batch in _batches(conversations, self._generator.batch_size):
            if not all(keys[index] in self._journal for index in batch):
                self._generate([conversations[index] for index in batch], [keys[index] for index in batch])
            if check:
                for index in batch:
                    check(index, Completion(**self._journal[keys[index]]))
            bar.advance(len(batch))
        return [Completion(**self._journal[key]) for key in keys]

    def _generate(self, conversations: Sequence[Conversation], keys: Sequence[str]) -> None:
        start = time.monotonic()
        completions = self._generator.generate(conversations, self._sampling)
        self.seconds += time.monotonic() - start
        for key, completion in zip(keys, completions, strict=True):
            self.tokens += completion.completion_tokens
            if key not in self._journal:
                self._journal.record(key, {**asdict(completion), "text": nfc(completion.text).strip()})

    def _key(self, conversation: Conversation) -> str:
        messages = [message.model_dump() for message in conversation]
        return sha256_text(
            canonical_json([self._generator.name, self._context, asdict(self._sampling), messages])
        )


def _timing(turns: Iterable[_Turns]) -> dict[str, float]:
    """Seconds and speed of what this process generated; zero where the journal held everything."""
    parts = [(part.seconds, part.tokens) for part in turns]
    seconds, tokens = (sum(values) for values in zip(*parts, strict=True))
    return {
        "seconds": seconds,
        "generated_tokens": float(tokens),
        "tokens_per_second": tokens / seconds if seconds else 0.0,
    }


def _batches(conversations: Sequence[Conversation], size: int) -> Iterator[list[int]]:
    """Indices in batches of conversations of like length, so that little is spent on padding.

    The longest come first: what does not fit in the context or in memory is known at once.
    """
    lengths = [sum(len(message.content) for message in conversation) for conversation in conversations]
    order = sorted(range(len(conversations)), key=lambda index: (-lengths[index], index))
    for start in range(0, len(order), size):
        yield order[start : start + size]


def _user(question: Question, turn: int) -> Message:
    return Message(role="user", content=question.questions[turn - 1])


def _check_room(settings: InferSettings, strategy: Strategy, question: Question, reply: Completion) -> None:
    """A first turn without room is a wrong setting; a second one is the model's own long answer."""
    limit = model_length(settings)
    if reply.prompt_tokens >= limit:
        raise InputError(
            f"question {question.id} takes {reply.prompt_tokens} tokens with strategy {strategy}, "
            f"the model length is {limit}",
            expected="a prompt that leaves room for an answer",
            fix="raise infer.max_model_len or student.max_length, or take shorter few-shot messages",
        )


def _answer(
    settings: InferSettings, strategy: Strategy, model: str, question: Question, pair: Sequence[Completion]
) -> Answer:
    return Answer(
        question=question,
        subject=settings.subject,
        strategy=strategy,
        model=model,
        outputs=[reply.text for reply in pair],
        finish_reasons=[reply.finish_reason for reply in pair],
        prompt_tokens=[reply.prompt_tokens for reply in pair],
        completion_tokens=[reply.completion_tokens for reply in pair],
    )


def _statistics(answers: Sequence[Answer]) -> dict[str, Any]:
    turns: dict[str, Any] = {}
    for turn in (0, 1) if answers else ():
        turns[f"turn_{turn + 1}"] = {
            "stopped_share": st.fmean(answer.finish_reasons[turn] == "stop" for answer in answers),
            "empty": sum(not answer.outputs[turn] for answer in answers),
            "mean_prompt_tokens": st.fmean(answer.prompt_tokens[turn] for answer in answers),
            "mean_completion_tokens": st.fmean(answer.completion_tokens[turn] for answer in answers),
        }
    return {"answers": len(answers), **turns}
