"""What a recipe asks of its models, told before anything is sent: calls, tokens and cost, at most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import get_args

from gukbap.benchmarks import JudgeTemplates
from gukbap.config import Endpoint, Recipe, answer_length
from gukbap.schemas import Answer, Message, OperationName, Question, Seed, Strategy, Subject
from gukbap.stages.budget import Spending, prompt_tokens_at_most
from gukbap.stages.generate.conversations import (
    EQUALITY_MAX_TOKENS,
    answer_messages,
    equality_messages,
    evolve_messages,
)
from gukbap.stages.judge import judge_messages
from gukbap.stages.judge.messages import Turn

#: a token of an answer is so many characters at most: English words, where an answer is not Korean
CHARACTERS_PER_TOKEN = 4


@dataclass(frozen=True)
class StageForecast:
    """The most that a stage can send, with the price of it.

    Attributes:
        stage: of the pipeline.
        model: who is asked.
        least: calls that are sent in any case.
        most: calls and tokens where every call is made and every reply is as long as it may be.
        cost: of `most`, in the currency of the prices; None where a price is not known.
        asked_here: no server is asked.
    """

    stage: str
    model: str
    least: int
    most: Spending
    cost: float | None
    asked_here: bool


def forecast(
    recipe: Recipe,
    seeds: Sequence[Seed],
    questions: Sequence[Question],
    strategies: Mapping[Strategy, Sequence[Message]],
    templates: JudgeTemplates | None = None,
) -> list[StageForecast]:
    """What generation, answering and judging of a recipe come to.

    Args:
        recipe: the whole recipe.
        seeds: those that are drawn.
        questions: those that are asked.
        strategies: the messages that each prompt strategy puts before a question.
        templates: LogicKor's judge templates, where its pack is used.
    """
    answering = _answering(recipe, questions, strategies)
    return [
        _generation(recipe, seeds),
        StageForecast("infer", recipe.student.model, answering.requests, answering, None, True),
        _judging(recipe, questions, templates),
    ]


def _generation(recipe: Recipe, seeds: Sequence[Seed]) -> StageForecast:
    config = recipe.generate
    most = Spending()
    operations: tuple[OperationName, ...] = get_args(OperationName)
    for seed in seeds:
        # A kept instruction takes its parent's place and may be as long as a reply.
        for number in range(config.rounds_of(seed.category)):
            grown = config.evolve_max_tokens if number else 0
            evolve = max(
                prompt_tokens_at_most(evolve_messages(name, seed.instruction)) for name in operations
            )
            compare = prompt_tokens_at_most(equality_messages(seed.instruction, ""))
            answer = prompt_tokens_at_most(answer_messages("", config.answer_max_tokens))
            most += Spending(1, evolve + grown, config.evolve_max_tokens)
            most += Spending(1, compare + grown + config.evolve_max_tokens, EQUALITY_MAX_TOKENS)
            most += Spending(1, answer + config.evolve_max_tokens, config.answer_max_tokens)
        if config.answer_seeds:
            answer = prompt_tokens_at_most(answer_messages(seed.instruction, config.answer_max_tokens))
            most += Spending(1, answer, config.answer_max_tokens)
    # In each round every instruction is rewritten; with max_rows it may end sooner.
    least = 0 if config.max_rows else sum(config.candidates(seed.category) for seed in seeds)
    return _priced("generate", recipe.teacher, least, most)


def _answering(
    recipe: Recipe, questions: Sequence[Question], strategies: Mapping[Strategy, Sequence[Message]]
) -> Spending:
    room, most = answer_length(recipe), Spending()
    for _, strategy in product(recipe.infer.subjects, recipe.infer.strategies):
        few_shot = list(strategies[strategy])
        for question in questions:
            first, second = (Message(role="user", content=text) for text in question.questions)
            asked = prompt_tokens_at_most([*few_shot, first])
            most += Spending(1, asked, room)
            most += Spending(1, asked + room + prompt_tokens_at_most([second]), room)
    return most


def _judging(
    recipe: Recipe, questions: Sequence[Question], templates: JudgeTemplates | None
) -> StageForecast:
    config, most, least = recipe.judge, Spending(), 0
    longest = min(config.max_answer_chars, answer_length(recipe) * CHARACTERS_PER_TOKEN)
    for subject, strategy in product(recipe.infer.subjects, recipe.infer.strategies):
        for question in questions:
            answer = _empty_answer(question, subject, strategy)
            shows: tuple[tuple[Turn, int], ...] = ((1, longest), (2, 2 * longest))
            for turn, shown in shows:
                prompt = (
                    prompt_tokens_at_most(judge_messages(answer, turn, config.max_answer_chars, templates))
                    + shown
                )
                calls = config.judgements * config.attempts
                least += config.judgements
                most += Spending(calls, calls * prompt, calls * config.max_tokens)
    return _priced("judge", config.endpoint, least, most)


def _empty_answer(question: Question, subject: Subject, strategy: Strategy) -> Answer:
    return Answer(
        question=question,
        subject=subject,
        strategy=strategy,
        model="",
        outputs=["", ""],
        finish_reasons=["stop", "stop"],
        prompt_tokens=[0, 0],
        completion_tokens=[0, 0],
    )


def _priced(stage: str, endpoint: Endpoint, least: int, most: Spending) -> StageForecast:
    cost = endpoint.cost(most.prompt_tokens, most.completion_tokens)
    return StageForecast(stage, endpoint.model, least, most, cost, endpoint.base_url is None)
