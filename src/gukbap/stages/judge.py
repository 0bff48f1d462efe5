"""Judge: a chat model scores both turns of every answer, as LogicKor does, without invented zeros."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from gukbap.config import JudgeSettings
from gukbap.files import Journal
from gukbap.ports import ChatModel, Progress, Sampling
from gukbap.prompts import prompt
from gukbap.schemas import Answer, Judgement, Message
from gukbap.stages.calls import RecordedCalls, map_bounded

Turn = Literal[1, 2]

NO_SCORE = "no score in the reply"
OUT_OF_RANGE = "score out of range"
#: A judge that is asked at temperature 0 again would only repeat itself.
REPEATED_TEMPERATURE = 0.3
EMPTY_MARK = "(답변이 비어 있음)"
CUT_MARK = "… (이하 생략: 답변이 너무 길어 여기서 잘림)"
LAST_LINE = "[[대화 끝. 이제 평가와 점수 두 줄로 채점하세요.]]"

_SCORE = re.compile(r"점수:\s*(\d+(?:\.\d+)?)")
_COMMENT = re.compile(r"평가:(.*?)(?=점수:|\Z)", re.DOTALL)
_TAG = re.compile(r"<(?=\s*/?\s*답변)")
_SCORE_LABEL = re.compile(r"(점\**수)(\**:)")


@dataclass(frozen=True)
class JudgeResult:
    """Judgements in the order of the answers, turn 1 before turn 2, and what can be counted.

    Everything in `statistics` is deterministic except what stands under "timing".
    """

    judgements: list[Judgement]
    statistics: dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a judge's reply says: a score, or why there is none."""

    score: float | None
    comment: str
    unscored_reason: str | None = None


def parse_verdict(reply: str) -> Verdict:
    """Read a reply as LogicKor does: without asterisks, the first number after 점수:.

    Unlike there, a score outside 0–10 and a missing one are no score.
    """
    plain = reply.replace("*", "")
    found = _COMMENT.search(plain)
    comment = (found.group(1) if found else plain).strip()
    match = _SCORE.search(plain)
    if match is None:
        return Verdict(None, comment, NO_SCORE)
    score = float(match.group(1))
    return Verdict(score, comment) if score <= 10 else Verdict(None, comment, OUT_OF_RANGE)


def judge(
    settings: JudgeSettings,
    answers: Sequence[Answer],
    model: ChatModel,
    journal: Journal,
    progress: Progress,
) -> JudgeResult:
    """Judge turn 1 and turn 2 of every answer; each reply is journalled before it counts.

    A reply without a usable score is asked for again, `judge.attempts` calls in all; then the
    judgement stays unscored and says why. An empty answer is judged like any other.

    Raises:
        EndpointError: the judge cannot be reached, refuses the key or keeps failing.
    """
    judging = _Judging(settings, RecordedCalls(model, journal), len(answers))
    # All first turns, then all second ones: the server's cached rubric changes once.
    work: list[tuple[Answer, Turn]] = [(answer, turn) for turn in _TURNS for answer in answers]
    label = f"judge {answers[0].subject} {answers[0].strategy}" if answers else "judge"
    start = time.monotonic()
    with progress.bar(label, len(work)) as bar:
        outcomes = asyncio.run(
            map_bounded(judging.one, work, model.concurrency, lambda outcome: bar.advance())
        )
    single, multi = outcomes[: len(answers)], outcomes[len(answers) :]
    judgements = [o.judgement for pair in zip(single, multi, strict=True) for o in pair]
    timing = {
        "seconds": time.monotonic() - start,
        "calls_sent": judging.calls.sent,
        "calls_reused": judging.calls.reused,
    }
    calls = {
        "calls": sum(outcome.calls for outcome in outcomes),
        "prompt_tokens": judging.calls.prompt_tokens,
        "completion_tokens": judging.calls.completion_tokens,
    }
    return JudgeResult(judgements, {**_statistics(judgements), **calls, "timing": timing})


_TURNS: tuple[Turn, ...] = (1, 2)


@dataclass(frozen=True)
class _Outcome:
    judgement: Judgement
    calls: int


class _Judging:
    """One judge with its settings."""

    def __init__(self, settings: JudgeSettings, calls: RecordedCalls, asked: int) -> None:
        self._settings, self.calls, self._asked = settings, calls, asked

    async def one(self, item: tuple[Answer, Turn]) -> _Outcome:
        """The judgement of one turn of one answer."""
        answer, turn = item
        messages = judge_messages(answer, turn, self._settings.judge.max_answer_chars)
        verdict, reply, attempt = Verdict(None, "", NO_SCORE), "", 0
        for attempt in range(1, self._settings.judge.attempts + 1):
            purpose = f"judge turn {turn}, attempt {attempt}"
            _, completion = await self.calls.complete(messages, self._sampling(attempt), purpose)
            reply = completion.text
            verdict = parse_verdict(reply)
            if verdict.score is not None:
                break
        judgement = Judgement(
            question_id=answer.question.id,
            category=answer.question.category,
            subject=answer.subject,
            strategy=answer.strategy,
            turn=turn,
            asked=self._asked,
            judge=self.calls.model.name,
            score=verdict.score,
            unscored_reason=verdict.unscored_reason,
            comment=verdict.comment,
            raw_reply=reply,
            stopped=answer.finish_reasons[turn - 1] == "stop",
            question=answer.question.questions[turn - 1],
            answer=answer.outputs[turn - 1],
        )
        return _Outcome(judgement, attempt)

    def _sampling(self, attempt: int) -> Sampling:
        return Sampling(
            temperature=0.0 if attempt == 1 else REPEATED_TEMPERATURE,
            top_p=1.0,
            max_tokens=self._settings.judge.max_tokens,
            seed=self._settings.seed + attempt - 1,
        )


def judge_messages(answer: Answer, turn: Turn, max_answer_chars: int) -> list[Message]:
    """What the judge sees: the constant rubric first (servers cache it), then the conversation.

    The parts and their order are LogicKor's: instruction line, question, reference, response, for
    turn 2 the follow-up with its reference and response, and a closing line.
    """
    parts = ["다음 대화를 보고 채점하세요."]
    for index in range(turn):
        follow_up = index == 1
        parts.append(f"**{'이어진 질문' if follow_up else '질문'}**\n{answer.question.questions[index]}")
        reference = answer.question.references[index]
        if reference:
            parts.append(f"**참고 답안**\n{reference}")
        shown = shown_answer(answer.outputs[index], max_answer_chars)
        parts.append(f"**모델의 답변**\n<답변>\n{shown}\n</답변>")
    parts.append(LAST_LINE)
    return [
        Message(role="system", content=prompt("judge/single" if turn == 1 else "judge/multi")),
        Message(role="user", content="\n\n".join(parts)),
    ]


def shown_answer(text: str, max_chars: int) -> str:
    """An answer as the judge sees it: it cannot leave its frame, nor can a quotation of it pass for a score.

    An answer that writes "</답변>" or "점수: 10" would otherwise end its own frame, or be found first
    in a reply that quotes it. One sign is changed in each: ＜ for <, and "점수 :" for "점수:".
    """
    if not text.strip():
        return EMPTY_MARK
    shown = text if len(text) <= max_chars else f"{text[:max_chars]}\n{CUT_MARK}"
    return _SCORE_LABEL.sub(r"\1 \2", _TAG.sub("＜", shown))


def _statistics(judgements: Sequence[Judgement]) -> dict[str, Any]:
    reasons = Counter(j.unscored_reason for j in judgements if j.unscored_reason)
    means = {}
    for turn in _TURNS:
        scores = [j.score for j in judgements if j.turn == turn and j.score is not None]
        if scores:
            means[f"mean_turn_{turn}"] = fmean(scores)
    return {
        "judgements": len(judgements),
        "scored": sum(j.score is not None for j in judgements),
        "unscored": dict(sorted(reasons.items())),
        **means,
    }
