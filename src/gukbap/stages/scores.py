"""Scores: LogicKor's table per subject and strategy, with intervals and without invented zeros."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES, STRATEGIES, SUBJECTS, Judgement, Strategy, Subject

RESAMPLES = 10_000
LEVEL = 0.95
#: An answer with less Hangul among its letters breaks the rubric's rule of language (method facts,
#: "What the scores can and cannot say").
COMPLIANT_HANGUL_SHARE = 0.1

Floats = NDArray[np.float64]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Table):
    """A 95 % percentile interval of a cluster bootstrap over questions, in points of 0–10."""

    low: float
    high: float


class ScoreRow(_Table):
    """One subject under one strategy; every score is 0–10 and unrounded, None where nothing was scored."""

    subject: Subject
    strategy: Strategy
    judge: str
    #: category → mean over both turns
    categories: dict[str, float | None]
    single: float | None
    multi: float | None
    #: (single + multi) / 2, as LogicKor has it
    overall: float | None
    interval: Interval | None
    questions: int
    judgements: int
    scored: int
    unscored: int
    #: scored / judgements
    coverage: float
    #: share of judged answers that ended by themselves
    stopped_share: float
    #: share of judged answers with at least COMPLIANT_HANGUL_SHARE of Hangul
    hangul_compliance: float


class ScoreTable(_Table):
    """Rows in the order base before tuned and default, 1-shot, cot-1-shot."""

    rows: list[ScoreRow]
    seed: int
    resamples: int = Field(ge=1)

    def row(self, subject: Subject, strategy: Strategy) -> ScoreRow | None:
        """The row of a subject and strategy, if it was judged."""
        return next((r for r in self.rows if (r.subject, r.strategy) == (subject, strategy)), None)


class PairedDifference(_Table):
    """`overall` of A minus that of B on the questions and turns that are scored in both."""

    strategy: Strategy
    difference: float | None
    interval: Interval | None
    #: questions with at least one turn scored in both
    questions: int
    #: turns scored in both, of those judged in both
    pairs: int
    judged_pairs: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.interval is not None and not self.interval.low <= 0 <= self.interval.high


def score_table(judgements: Sequence[Judgement], *, seed: int = 0, resamples: int = RESAMPLES) -> ScoreTable:
    """The score table of any number of subjects and strategies.

    A judgement without a score lowers the coverage and nothing else.

    Raises:
        InputError: a turn is judged twice, or one row would mix two judges.
    """
    groups: dict[tuple[Subject, Strategy], list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[judgement.subject, judgement.strategy].append(judgement)
    order = sorted(groups, key=lambda key: (SUBJECTS.index(key[0]), STRATEGIES.index(key[1])))
    return ScoreTable(
        rows=[_row(groups[key], seed, resamples) for key in order], seed=seed, resamples=resamples
    )


def _row(group: Sequence[Judgement], seed: int, resamples: int) -> ScoreRow:
    scores = _by_question(group)
    single, multi = (_mean([turns[index] for turns in scores.values()]) for index in (0, 1))
    scored = sum(judgement.score is not None for judgement in group)
    return ScoreRow(
        subject=group[0].subject,
        strategy=group[0].strategy,
        judge=group[0].judge,
        categories={
            category: _mean([judgement.score for judgement in group if judgement.category == category])
            for category in CATEGORIES
        },
        single=single,
        multi=multi,
        overall=None if single is None or multi is None else (single + multi) / 2,
        interval=_interval(scores, seed, resamples),
        questions=len(scores),
        judgements=len(group),
        scored=scored,
        unscored=len(group) - scored,
        coverage=scored / len(group),
        stopped_share=fmean(judgement.stopped for judgement in group),
        hangul_compliance=fmean(judgement.hangul_share >= COMPLIANT_HANGUL_SHARE for judgement in group),
    )


def paired_difference(
    a: Sequence[Judgement], b: Sequence[Judgement], *, seed: int = 0, resamples: int = RESAMPLES
) -> list[PairedDifference]:
    """A minus B (tuned minus base) for every strategy that both have, each question its own partner.

    Pairing takes the questions' own difficulty out, so the interval is narrower than two separate
    ones. A turn that either lacks a score for is left out on both sides.

    Raises:
        InputError: a turn is judged twice, or two judges scored the pair.
    """
    return [
        compare(
            [judgement for judgement in a if judgement.strategy == strategy],
            [judgement for judgement in b if judgement.strategy == strategy],
            seed=seed,
            resamples=resamples,
        )
        for strategy in STRATEGIES
        if any(j.strategy == strategy for j in a) and any(j.strategy == strategy for j in b)
    ]


def compare(
    a: Sequence[Judgement], b: Sequence[Judgement], *, seed: int = 0, resamples: int = RESAMPLES
) -> PairedDifference:
    """A minus B for two groups of one strategy each (two subjects, or two strategies of one).

    The result carries A's strategy. Raises InputError as `paired_difference` does, and for an empty group.
    """
    if not a or not b:
        raise InputError("nothing to compare: one of the groups has no judgement")
    left, right = _by_question(a), _by_question(b)
    if a[0].judge != b[0].judge:
        raise InputError(
            f"the compared answers have two judges: {a[0].judge} and {b[0].judge}",
            expected="scores of one judge",
            fix="judge both with the same model",
        )
    differences: dict[int, list[float | None]] = {}
    for question in sorted(left.keys() & right.keys()):
        pairs = zip(left[question], right[question], strict=True)
        turns = [None if x is None or y is None else x - y for x, y in pairs]
        if any(turn is not None for turn in turns):
            differences[question] = turns
    single, multi = (_mean([turns[index] for turns in differences.values()]) for index in (0, 1))
    judged_in_both = {(j.question_id, j.turn) for j in a} & {(j.question_id, j.turn) for j in b}
    return PairedDifference(
        strategy=a[0].strategy,
        difference=None if single is None or multi is None else (single + multi) / 2,
        interval=_interval(differences, seed, resamples),
        questions=len(differences),
        pairs=sum(turn is not None for turns in differences.values() for turn in turns),
        judged_pairs=len(judged_in_both),
    )


def _by_question(group: Sequence[Judgement]) -> dict[int, list[float | None]]:
    """Question → [score of turn 1, score of turn 2], in the order of the questions' ids."""
    where = f"{group[0].subject} {group[0].strategy}"
    judges = sorted({judgement.judge for judgement in group})
    if len(judges) > 1:
        raise InputError(f"{where}: scores of {' and '.join(judges)} together", expected="one judge a row")
    scores: dict[int, list[float | None]] = {}
    seen = set()
    for judgement in sorted(group, key=lambda judgement: judgement.question_id):
        key = judgement.question_id, judgement.turn
        if key in seen:
            raise InputError(f"{where}: question {key[0]}, turn {key[1]} is judged twice")
        seen.add(key)
        scores.setdefault(judgement.question_id, [None, None])[judgement.turn - 1] = judgement.score
    return scores


def _mean(values: Sequence[float | None]) -> float | None:
    scored = [value for value in values if value is not None]
    return fmean(scored) if scored else None


def _interval(scores: dict[int, list[float | None]], seed: int, resamples: int) -> Interval | None:
    """Percentile interval of (mean of turn 1 + mean of turn 2) / 2 over resampled questions.

    The question is the cluster: its two turns belong together, turn 2 builds on turn 1 (clustered
    errors as in Miller 2024, arXiv 2411.00640; the bootstrap is Efron's). None with fewer than two
    scored questions in a turn, where nothing can vary.
    """
    values = np.array([[np.nan if v is None else v for v in turns] for turns in scores.values()])
    if len(scores) < 2 or (np.isfinite(values).sum(axis=0) < 2).any():
        return None
    generator = np.random.default_rng(seed)
    count = len(scores)
    weights = generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(np.float64)
    scored = np.isfinite(values).astype(np.float64)
    totals: Floats = weights @ np.where(np.isfinite(values), values, 0.0)
    counts: Floats = weights @ scored
    # A resample without any scored question in a turn has no overall; it says nothing.
    usable = (counts > 0).all(axis=1)
    overall = (totals[usable] / counts[usable]).mean(axis=1)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(overall, [tail, 100 - tail])
    return Interval(low=float(low), high=float(high))
