"""The judge stage: every turn of every answer scored, or left unscored with a reason."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Any

from gukbap.benchmarks import JudgeTemplates
from gukbap.config import JudgeSettings
from gukbap.errors import CallFailedError, InputError
from gukbap.journal import Journal
from gukbap.ports import ChatModel, Completion, Progress, Sampling
from gukbap.schemas import Answer, Judgement, Message
from gukbap.stages.calls import RecordedCalls, map_bounded, messages_sha256
from gukbap.stages.judge.messages import Turn, judge_messages
from gukbap.stages.judge.verdict import NO_SCORE, Verdict, parse_verdict

#: A judge that is asked at temperature 0 again would only repeat itself.
REPEATED_TEMPERATURE = 0.3
#: So many calls in a row that fail after all their retries mean that the server is down.
MOST_FAILURES_IN_A_ROW = 8
#: Seeds of a further verdict on a turn are so far from those of the one before.
_SAMPLE_SEEDS = 1000
_TURNS: tuple[Turn, ...] = (1, 2)


@dataclass(frozen=True)
class JudgeResult:
    """Judgements in the order of the answers, turn 1 before turn 2, and what can be counted.

    Everything in `statistics` is deterministic except what stands under "timing".
    """

    judgements: list[Judgement]
    statistics: dict[str, Any]


@dataclass(frozen=True)
class _Slot:
    answer: Answer
    turn: Turn
    #: which of several verdicts, from 1
    sample: int
    asked: int


def judge(
    settings: JudgeSettings,
    answers: Sequence[Answer],
    model: ChatModel,
    journal: Journal,
    progress: Progress,
    *,
    templates: JudgeTemplates | None = None,
    cache: Journal | None = None,
) -> JudgeResult:
    """Judge both turns of every answer `judge.judgements` times; a reply is journalled before it counts.

    A reply without a usable score is asked for again, `judge.attempts` calls in all; then the
    judgement stays unscored and says why. So does a turn whose call keeps failing: it is not
    journalled, and another run asks again. An empty answer is judged like any other.

    Args:
        settings: the judge, and how it is asked.
        answers: of one or several subjects and strategies.
        model: the judge.
        journal: of this piece of work.
        progress: where to show it.
        templates: LogicKor's, where its pack is used.
        cache: replies of other runs to the same calls.

    Raises:
        AuthenticationError: the judge refuses the key.
        EndpointError: the judge cannot be reached, has no such model, or is down: after
            MOST_FAILURES_IN_A_ROW failed calls nothing more is sent.
    """
    judging = _Judging(settings, RecordedCalls(model, journal, cache), templates)
    work = _slots(answers, settings.judge.judgements)
    label = f"judge {answers[0].subject} {answers[0].strategy}" if answers else "judge"
    start = time.monotonic()
    found: list[Judgement] = []
    with progress.bar(label, len(work)) as bar:
        asyncio.run(
            map_bounded(judging.one, work, judging.calls.work_at_once, found.append, lambda _: bar.advance())
        )
    order = {id(answer): index for index, answer in enumerate(answers)}
    places = sorted(range(len(work)), key=lambda i: (order[id(work[i].answer)], work[i].turn, work[i].sample))
    judgements = [found[place] for place in places]
    calls = judging.calls
    timing = {
        "seconds": time.monotonic() - start,
        "calls_sent": calls.sent,
        "calls_retried": calls.retried,
        "calls_reused": calls.reused,
    }
    return JudgeResult(
        judgements,
        {"protocol": "logickor" if templates else "own", **_statistics(judgements), "timing": timing},
    )


def _slots(answers: Sequence[Answer], samples: int) -> list[_Slot]:
    asked = Counter((answer.subject, answer.strategy) for answer in answers)
    counted = Counter((answer.subject, answer.strategy, answer.question.id) for answer in answers)
    for (subject, strategy, question), count in counted.items():
        if count > 1:
            raise InputError(
                f"{count} answers of {subject} {strategy} to question {question}",
                expected="one answer to each question",
                fix="give every answers file once",
            )
    # All first turns, then all second ones: the server's cached rubric changes once.
    return [
        _Slot(answer, turn, sample, asked[answer.subject, answer.strategy])
        for turn in _TURNS
        for sample in range(1, samples + 1)
        for answer in answers
    ]


@dataclass
class _Spent:
    """What one verdict took, replies without a usable score included."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, completion: Completion) -> None:
        self.calls += 1
        self.prompt_tokens += completion.prompt_tokens
        self.completion_tokens += completion.completion_tokens


@dataclass
class _Judging:
    """One judge with its settings."""

    settings: JudgeSettings
    calls: RecordedCalls
    templates: JudgeTemplates | None
    failures: int = field(default=0, init=False)

    async def one(self, slot: _Slot) -> Judgement:
        """One verdict on one turn of one answer."""
        config = self.settings.judge
        messages = judge_messages(slot.answer, slot.turn, config.max_answer_chars, self.templates)
        verdict, reply, spent = Verdict(None, "", NO_SCORE), "", _Spent()
        try:
            for attempt in range(1, config.attempts + 1):
                completion = await self._ask(messages, slot, attempt)
                spent.add(completion)
                reply = completion.text
                verdict = parse_verdict(reply)
                if verdict.score is not None:
                    break
        except CallFailedError as error:
            self.failures += 1
            if self.failures >= MOST_FAILURES_IN_A_ROW:
                raise
            verdict = Verdict(None, "", f"no reply: {error.problem}")
        return self._judgement(slot, verdict, reply, spent, messages)

    async def _ask(self, messages: Sequence[Message], slot: _Slot, attempt: int) -> Completion:
        # The strategy sets equal answers apart: each row of the table has verdicts of its own. A further
        # sample needs no mark, its seed and temperature tell it apart.
        purpose = f"judge {slot.answer.strategy} turn {slot.turn}, attempt {attempt}"
        _, completion = await self.calls.complete(messages, self._sampling(slot.sample, attempt), purpose)
        self.failures = 0
        return completion

    def _sampling(self, sample: int, attempt: int) -> Sampling:
        config = self.settings.judge
        first = 0.0 if sample == 1 else config.sample_temperature
        return Sampling(
            temperature=first if attempt == 1 else max(first, REPEATED_TEMPERATURE),
            top_p=1.0,
            max_tokens=config.max_tokens,
            seed=self.settings.seed + _SAMPLE_SEEDS * (sample - 1) + attempt - 1,
        )

    def _judgement(
        self, slot: _Slot, verdict: Verdict, reply: str, spent: _Spent, messages: Sequence[Message]
    ) -> Judgement:
        answer, turn = slot.answer, slot.turn
        return Judgement(
            question_id=answer.question.id,
            category=answer.question.category,
            subject=answer.subject,
            strategy=answer.strategy,
            turn=turn,
            sample=slot.sample,
            asked=slot.asked,
            judge=self.calls.model.name,
            score=verdict.score,
            unscored_reason=verdict.unscored_reason,
            comment=verdict.comment,
            raw_reply=reply,
            prompt_sha256=messages_sha256(messages),
            calls=spent.calls,
            prompt_tokens=spent.prompt_tokens,
            completion_tokens=spent.completion_tokens,
            cost=self.settings.judge.endpoint.cost(spent.prompt_tokens, spent.completion_tokens),
            question=answer.question.questions[turn - 1],
            answer=answer.outputs[turn - 1],
            stopped=answer.finish_reasons[turn - 1] == "stop",
        )


def _statistics(judgements: Sequence[Judgement]) -> dict[str, Any]:
    reasons = Counter(j.unscored_reason for j in judgements if j.unscored_reason)
    found: dict[str, Any] = {
        "judgements": len(judgements),
        "scored": sum(j.score is not None for j in judgements),
        "unscored": dict(sorted(reasons.items())),
        "calls": sum(j.calls or 0 for j in judgements),
        "prompt_tokens": sum(j.prompt_tokens or 0 for j in judgements),
        "completion_tokens": sum(j.completion_tokens or 0 for j in judgements),
    }
    costs = [j.cost for j in judgements]
    if costs and None not in costs:
        found["cost"] = sum(cost for cost in costs if cost is not None)
    for turn in _TURNS:
        scores = [j.score for j in judgements if j.turn == turn and j.score is not None]
        if scores:
            found[f"mean_turn_{turn}"] = fmean(scores)
    if (wavering := _judge_variance(judgements)) is not None:
        found["judge_variance"] = wavering
    return found


def _judge_variance(judgements: Sequence[Judgement]) -> float | None:
    """Mean variance of the verdicts on one turn, in points²; None where each was judged once."""
    scores: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for one in judgements:
        if one.score is not None:
            scores[one.subject, one.strategy, *one.slot].append(one.score)
    several = [variance(values) for values in scores.values() if len(values) > 1]
    return fmean(several) if several else None
