"""Stored answers judged again by another judge or rubric, so that old and new scores compare."""

from __future__ import annotations

from collections.abc import Sequence

from gukbap.config import JudgeSettings
from gukbap.errors import InputError
from gukbap.schemas import Answer, Judgement, Question
from gukbap.workers import context


def judge_again(settings: JudgeSettings, judgements: Sequence[Judgement]) -> list[Judgement]:
    """Judge the answers that stand in judgements of one subject and strategy.

    Every call is journalled in the run's scratch folder, and taken from the judge's cache where it was
    made before.

    Args:
        settings: the judge, and the pack whose questions, references and rubric are used.
        judgements: both turns of every answer.

    Raises:
        InputError: the pack asks other questions.
        EndpointError: as the judge stage.
    """
    from gukbap.adapters.chat_models import open_chat
    from gukbap.benchmarks import open_pack
    from gukbap.stages.judge import judge
    from gukbap.workers.judge_cache import judge_cache
    from gukbap.workers.packs import local_pack

    progress = context.progress()
    pack = open_pack(local_pack(settings.pack, progress))
    answers = answers_of(judgements, pack.questions)
    work = context.stage_folder(settings, (answer.model_dump_json() for answer in answers))
    with context.journal(work) as journal, judge_cache(settings) as cache:
        model = open_chat(settings.judge.endpoint, progress)
        found = judge(settings, answers, model, journal, progress, templates=pack.judge, cache=cache)
    return found.judgements


def answers_of(judgements: Sequence[Judgement], questions: Sequence[Question]) -> list[Answer]:
    """The answers that were judged, as the judge stage takes them.

    Raises:
        InputError: a question is not among `questions`, or has other words there; a turn is missing.
    """
    asked = {question.id: question for question in questions}
    turns = {one.slot: one for one in judgements}
    found = []
    for number in sorted({question for question, _ in turns}):
        pair = [turns.get((number, turn)) for turn in (1, 2)]
        question = asked.get(number)
        if question is None or any(
            one is None or one.question != question.questions[index] for index, one in enumerate(pair)
        ):
            raise InputError(
                f"question {number} of the stored answers is not that of the pack, or a turn is missing",
                expected="answers to the questions of evaluate.pack",
                fix="evaluate with the pack that was used then",
            )
        found.append(_answer(question, [one for one in pair if one is not None]))
    return found


def _answer(question: Question, pair: Sequence[Judgement]) -> Answer:
    strategy = pair[0].strategy
    return Answer.model_validate(
        {
            "question": question,
            "subject": pair[0].subject,
            "strategy": strategy,
            "model": "stored",
            "outputs": [one.answer for one in pair],
            "finish_reasons": ["length" if one.stopped is False else "stop" for one in pair],
            "prompt_tokens": [],
            "completion_tokens": [],
        }
    )
