"""Promotion: whether a tuned student is better than its base by more than chance explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gukbap.config import PromoteSettings
from gukbap.errors import InputError
from gukbap.schemas import Strategy
from gukbap.stages.scores import LEVEL, Comparison, Interval, ScoreTable

#: Share of the judged turns that must be scored for both students. A turn falls out where the judge
#: gave no score, and it does so more often for odd answers, so those that are left are no fair sample;
#: at a tenth missing, the mean of the other nine tenths can be off by 10/9 − 1 ≈ 11 % of the scale.
MIN_COVERAGE = 0.9

Verdict = Literal["promoted", "held", "refused"]


class Decision(BaseModel):
    """A verdict with the numbers that it rests on; every score is in points of 0–10."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Verdict
    #: in words, the one that settled it first
    reasons: list[str] = Field(min_length=1)
    strategy: Strategy
    #: overall of the tuned student minus that of its base, on the questions scored for both
    gain: float | None
    #: the gain's 95 % interval
    low: float | None
    high: float | None
    #: the gain that the interval must lie above
    threshold: float
    #: questions with a turn that is scored for both
    questions: int
    #: turns scored for both / turns judged for either, 0–1
    coverage: float | None


class _Difference(Comparison):
    # scores.json adds the property `significant` for its readers.
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Scores(BaseModel):
    """The parts of scores.json that a decision rests on."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    scripted: bool
    judge_is_teacher: bool
    table: ScoreTable
    differences: list[_Difference]


def decide(settings: PromoteSettings, scores: Mapping[str, Any]) -> Decision:
    """Judge a run by the paired interval of tuned minus base under the strategy that decides.

    - `promoted`: the whole interval lies above `min_gain`;
    - `held`: it contains `min_gain`, or there is none, so that nothing can be told;
    - `refused`: it lies below, or the scores cannot carry a decision: a scripted model took part, a
      student was not judged, or over a tenth of the turns lack a score.

    Args:
        settings: the strategy and the gain that is asked for.
        scores: the content of scores.json.

    Raises:
        InputError: that is not the content of scores.json.
    """
    read = _read(scores)
    strategy = settings.promote.strategy
    difference = next((one for one in read.differences if one.strategy == strategy), None)
    coverage = _coverage(read.table, difference, strategy)
    verdict, reason = _verdict(settings, read, difference, coverage)
    interval = difference.interval if difference else None
    reasons = [reason]
    if read.judge_is_teacher:
        reasons.append("the judge is also the teacher, so the scores compare only with each other")
    return Decision(
        verdict=verdict,
        reasons=reasons,
        strategy=strategy,
        gain=difference.difference if difference else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        threshold=settings.promote.min_gain,
        questions=difference.questions if difference else 0,
        coverage=coverage,
    )


def _read(scores: Mapping[str, Any]) -> _Scores:
    try:
        return _Scores.model_validate(scores)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(
            f"scores: {field}: {first['msg']}",
            expected="the scores.json that the report step writes",
        ) from error


def _coverage(table: ScoreTable, difference: Comparison | None, strategy: Strategy) -> float | None:
    rows = [table.row("base", strategy), table.row("tuned", strategy)]
    judged = max((row.judgements for row in rows if row), default=0)
    return difference.pairs / judged if difference and judged else None


def _verdict(
    settings: PromoteSettings,
    scores: _Scores,
    difference: Comparison | None,
    coverage: float | None,
) -> tuple[Verdict, str]:
    strategy, threshold = settings.promote.strategy, settings.promote.min_gain
    if settings.scripted or scores.scripted:
        return "refused", "a scripted model took part, so no number is a result"
    if difference is None or coverage is None:
        return "refused", f"base and tuned were not both judged under the strategy {strategy}"
    if coverage < MIN_COVERAGE:
        return (
            "refused",
            f"only {coverage:.0%} of the judged turns are scored for both students; "
            f"{MIN_COVERAGE:.0%} are needed",
        )
    if difference.interval is None:
        return "held", f"{difference.questions} scored questions are too few for an interval"
    return _compared(difference.interval, threshold)


def _compared(interval: Interval, threshold: float) -> tuple[Verdict, str]:
    shown = f"the gain's {LEVEL:.0%} interval [{interval.low:+.2f}, {interval.high:+.2f}]"
    if interval.low > threshold:
        return "promoted", f"{shown} lies above {threshold:+.2f}"
    if interval.high < threshold:
        return "refused", f"{shown} lies below {threshold:+.2f}"
    return "held", f"{shown} contains {threshold:+.2f}, so no gain of that size can be told"
