"""The record of a decision: a verdict, the numbers that it rests on, and the guard rails."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gukbap.schemas import Strategy

Verdict = Literal["promoted", "held", "refused"]
CheckVerdict = Literal["passed", "failed", "not known"]


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Check(_Record):
    """A guard rail: what was measured, what is asked, and whether it holds."""

    name: str
    verdict: CheckVerdict
    #: the number, and the limit that it is held against; None where there is none
    value: float | None = None
    limit: float | None = None
    #: one sentence with the number
    detail: str


class Decision(_Record):
    """A verdict with its numbers; every score is in points of 0–10."""

    verdict: Verdict
    #: in words, the one that settled it first
    reasons: list[str] = Field(min_length=1)
    strategy: Strategy
    #: whom the tuned student was compared with: "base" or "champion (version 3)"
    against: str
    #: the registry's version of that champion; None for the base
    champion_version: int | None
    #: the model that judged both; None where they were not compared
    judge: str | None
    #: overall of the tuned student minus that of the other, on the questions scored for both
    gain: float | None
    #: the gain's 95 % interval, a bootstrap over questions
    low: float | None
    high: float | None
    #: two-sided p-value of the gain, permuting whole questions
    permutation_p: float | None
    #: the gain that the interval must lie above
    threshold: float
    #: questions with a turn that is scored for both
    questions: int
    #: turns scored for both / turns judged for either, 0–1
    coverage: float | None
    checks: list[Check] = Field(default_factory=list)
