"""LogicKor's table per model and strategy, with intervals and without invented zeros."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from gukbap.language import audit
from gukbap.schemas import CATEGORIES, STRATEGIES, SUBJECTS, Judgement
from gukbap.stages.scores import resampling
from gukbap.stages.scores.resampling import RESAMPLES, Interval
from gukbap.stages.scores.slots import Slots, slots

#: why a judgement of `without_invented` has no score
INVENTED_REASON = "a zero that no judge gave"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Spread(_Table):
    """Where the uncertainty of an overall score comes from, as standard errors in points of 0–10."""

    #: a judge that gives another score the next time; None where every turn was judged once
    judge: float | None
    #: other questions could have been asked
    questions: float


class ScoreRow(_Table):
    """One model under one strategy; every score is 0–10 and unrounded, None where nothing was scored."""

    subject: str
    strategy: str
    judge: str
    #: category → mean over both turns
    categories: dict[str, float | None]
    single: float | None
    multi: float | None
    #: (single + multi) / 2, as LogicKor has it
    overall: float | None
    #: of the overall score
    interval: Interval | None
    #: category, "single" or "multi" → interval
    intervals: dict[str, Interval | None]
    spread: Spread | None
    #: zeros of LogicKor's evaluator among the scores, and the overall score without them
    invented: int
    overall_without_invented: float | None
    #: questions in the judgements, and how many were asked
    questions: int
    asked: int
    judgements: int
    scored: int
    unscored: int
    #: why, and how often
    unscored_reasons: dict[str, int]
    #: scored / judgements
    coverage: float
    #: share of judged answers that ended by themselves; None where that is not known
    stopped_share: float | None
    #: share of judged answers that keep to the benchmark's language (gukbap.language)
    language_compliance: float


class ScoreTable(_Table):
    """Rows in the order base, tuned, others as they came; default, 1-shot, cot-1-shot, others."""

    rows: list[ScoreRow]
    seed: int
    resamples: int = Field(ge=1)

    def row(self, subject: str, strategy: str) -> ScoreRow | None:
        """The row of a subject and strategy, if it was judged."""
        return next((r for r in self.rows if (r.subject, r.strategy) == (subject, strategy)), None)


def score_table(judgements: Sequence[Judgement], *, seed: int = 0, resamples: int = RESAMPLES) -> ScoreTable:
    """The score table of any number of models and strategies, which are never pooled.

    A judgement without a score lowers the coverage and nothing else.

    Raises:
        InputError: a turn is judged twice, or one row would mix two judges.
    """
    groups: dict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[judgement.subject, judgement.strategy].append(judgement)
    subjects = list(dict.fromkeys([*SUBJECTS, *(subject for subject, _ in groups)]))
    strategies = list(dict.fromkeys([*STRATEGIES, *(strategy for _, strategy in groups)]))
    order = sorted(groups, key=lambda key: (subjects.index(key[0]), strategies.index(key[1])))
    return ScoreTable(
        rows=[_row(groups[key], seed, resamples) for key in order], seed=seed, resamples=resamples
    )


def remarks(table: ScoreTable) -> list[str]:
    """What a reader must know of single rows, one sentence each: invented zeros, missing scores."""
    return [sentence for row in table.rows for sentence in _remarks(row)]


def _remarks(row: ScoreRow) -> Iterator[str]:
    name = f"{row.subject} {row.strategy}"
    if row.invented:
        yield (
            f"{name}: {row.invented} of {row.scored} scores are zeros that no judge gave; "
            f"overall {_shown(row.overall)} with them, {_shown(row.overall_without_invented)} without"
        )
    for reason, count in row.unscored_reasons.items():
        yield f"{name}: {count} of {row.judgements} judgements have no score ({reason})"


def _shown(score: float | None) -> str:
    return "not known" if score is None else f"{score:.2f}"


def without_invented(judgements: Sequence[Judgement]) -> list[Judgement]:
    """The judgements with LogicKor's invented zeros turned into missing scores."""
    return [
        judgement.model_copy(update={"score": None, "unscored_reason": INVENTED_REASON})
        if judgement.invented
        else judgement
        for judgement in judgements
    ]


def _row(group: Sequence[Judgement], seed: int, resamples: int) -> ScoreRow:
    grid = slots(group)
    single, multi, overall = _overall(grid)
    scored = sum(judgement.score is not None for judgement in group)
    stopped = [judgement.stopped for judgement in group if judgement.stopped is not None]
    reasons = [judgement.unscored_reason for judgement in group if judgement.unscored_reason]
    invented = sum(judgement.invented and judgement.score is not None for judgement in group)
    return ScoreRow(
        subject=group[0].subject,
        strategy=group[0].strategy,
        judge=grid.judge,
        categories={category: _mean(grid.where(category)) for category in CATEGORIES},
        single=single,
        multi=multi,
        overall=overall,
        interval=resampling.interval(grid.scores, seed, resamples),
        intervals={
            "single": resampling.interval(grid.scores[:, :1], seed, resamples),
            "multi": resampling.interval(grid.scores[:, 1:], seed, resamples),
            **{c: resampling.interval(grid.where(c), seed, resamples, pool=True) for c in CATEGORIES},
        },
        spread=_spread(grid, seed, resamples),
        invented=invented,
        overall_without_invented=_overall(slots(without_invented(group)))[2] if invented else overall,
        questions=len(grid.questions),
        asked=max(judgement.asked for judgement in group),
        judgements=len(group),
        scored=scored,
        unscored=len(group) - scored,
        unscored_reasons={reason: reasons.count(reason) for reason in sorted(set(reasons))},
        coverage=scored / len(group),
        stopped_share=sum(stopped) / len(stopped) if stopped else None,
        language_compliance=_language_compliance(group),
    )


def _overall(grid: Slots) -> tuple[float | None, float | None, float | None]:
    single, multi = _mean(grid.scores[:, 0]), _mean(grid.scores[:, 1])
    return single, multi, None if single is None or multi is None else (single + multi) / 2


def _mean(values: resampling.Floats) -> float | None:
    scored = values[np.isfinite(values)]
    return float(scored.mean()) if len(scored) else None


def _spread(grid: Slots, seed: int, resamples: int) -> Spread | None:
    """The bootstrap's variance, less what the judge's own wavering puts into it.

    A slot's score is a mean of k verdicts; its squared standard error is their variance over k. The
    overall score weighs each slot of a turn with 1 / (2 · scored questions of the turn).
    """
    scored = np.isfinite(grid.scores)
    if (scored.sum(axis=0) < 2).any():
        return None
    total = float(resampling.resampled(grid.scores, seed, resamples).var())
    known = np.isfinite(grid.noise)
    if not known.any():
        return Spread(judge=None, questions=total**0.5)
    # A slot of which only one verdict has a score wavers as the others do on the average.
    noise = np.where(known, grid.noise, np.nanmean(grid.noise)) * scored
    judge = float((noise.sum(axis=0) / (2 * scored.sum(axis=0)) ** 2).sum())
    return Spread(judge=judge**0.5, questions=max(total - judge, 0.0) ** 0.5)


def _language_compliance(group: Sequence[Judgement]) -> float:
    # Each answer counts once, however often it was judged.
    answers = {judgement.slot: judgement for judgement in group}
    return sum(audit(one.question, one.answer).complies for one in answers.values()) / len(answers)
