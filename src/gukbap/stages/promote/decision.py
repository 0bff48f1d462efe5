"""Whether a tuned student is better than the champion by more than chance explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gukbap.config import PromoteSettings
from gukbap.schemas import Judgement
from gukbap.stages.promote.evidence import Contender, RunEvidence
from gukbap.stages.promote.guards import guard_rails
from gukbap.stages.promote.records import Check, Decision, Verdict
from gukbap.stages.scores import LEVEL, Comparison, Interval, compare

#: Share of the judged turns that must be scored for both students. A turn falls out where the judge
#: gave no score, and it does so more often for odd answers, so those that are left are no fair sample;
#: at a tenth missing, the mean of the other nine tenths can be off by 10/9 − 1 ≈ 11 % of the scale.
MIN_COVERAGE = 0.9


@dataclass(frozen=True)
class Conditions:
    """What is known of a run's scores as a whole."""

    #: a scripted model took part
    scripted: bool
    judge_is_teacher: bool


def decide(
    settings: PromoteSettings,
    tuned: Contender,
    other: Contender,
    evidence: RunEvidence,
    conditions: Conditions,
    *,
    champion_version: int | None = None,
) -> Decision:
    """Judge a run by the paired interval of tuned minus other on the same questions.

    - `promoted`: the whole interval lies above `min_gain`, and every guard rail holds;
    - `held`: it contains `min_gain`, or nothing can be told: too few questions, scores that do not
      compare, or (`unknown_blocks`) a guard rail without a number;
    - `refused`: it lies below, a guard rail fails, or the scores cannot carry a decision: a scripted
      model took part, a student was not judged, or over a tenth of the turns lack a score.

    Args:
        settings: the strategy, the gain that is asked for, the limits of the guard rails.
        tuned: the tuned student's judgements under the strategy that decides.
        other: the champion's, or the base's where there is no champion.
        evidence: what the run knows of itself.
        conditions: whether the scores mean anything.
        champion_version: the registry's version of `other`; None: it is the base.
    """
    scripted = settings.scripted or conditions.scripted
    apart = [] if champion_version is None else reasons_apart(settings, tuned, other)
    comparison = None
    if tuned.judgements and other.judgements and not apart:
        comparison = compare(tuned.judgements, other.judgements, seed=settings.seed)
    coverage = _coverage(comparison, tuned.judgements, other.judgements)
    checks = guard_rails(
        settings.promote, tuned.judgements, other.judgements, comparison, evidence, settings.seed
    )
    if scripted:
        verdict: Verdict = "refused"
        reasons = ["a scripted model took part, so no number is a result"]
    elif apart:
        verdict, reasons = "held", apart
    else:
        verdict, reasons = _compared(settings, other, comparison, coverage)
        verdict, reasons = _guarded(settings, verdict, reasons, checks)
    if conditions.judge_is_teacher:
        reasons = [*reasons, "the judge is also the teacher, so the scores compare only with each other"]
    interval = comparison.interval if comparison else None
    return Decision(
        verdict=verdict,
        reasons=reasons,
        strategy=settings.promote.strategy,
        against=other.name,
        champion_version=champion_version,
        judge=tuned.judgements[0].judge if comparison else None,
        gain=comparison.difference if comparison else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        permutation_p=comparison.permutation_p if comparison else None,
        threshold=settings.promote.min_gain,
        questions=comparison.questions if comparison else 0,
        coverage=coverage,
        checks=checks,
    )


def reasons_apart(settings: PromoteSettings, tuned: Contender, champion: Contender) -> list[str]:
    """Why the scores of the tuned student and of the champion do not compare; empty where they do."""
    if not champion.judgements:
        return [
            f"the {champion.name} has no recorded judgements under the strategy "
            f"{settings.promote.strategy}; run `gukbap promote` on its own run, which records them"
        ]
    if not tuned.judgements:
        return []
    found = []
    judges = [group.judgements[0].judge for group in (champion, tuned)]
    if judges[0] != judges[1]:
        found.append(f"the judge ({judges[0]}, now {judges[1]})")
    if tuned.evaluation is None or champion.evaluation is None:
        whose = "this run" if tuned.evaluation is None else f"the {champion.name}"
        found.append(f"questions and rubric, which {whose} does not state")
    else:
        found += champion.evaluation.differences(tuned.evaluation, settings.promote.strategy)
    if not found:
        return []
    return [
        f"this run and the {champion.name} do not compare: they differ in {', '.join(found)}; evaluate "
        "with the champion's pack and judge, or, where only judge or rubric differ, set "
        "promote.rejudge_champion=true"
    ]


def _coverage(
    comparison: Comparison | None, tuned: Sequence[Judgement], other: Sequence[Judgement]
) -> float | None:
    judged = max(len({one.slot for one in group}) for group in (tuned, other))
    return comparison.pairs / judged if comparison and judged else None


def _compared(
    settings: PromoteSettings, other: Contender, comparison: Comparison | None, coverage: float | None
) -> tuple[Verdict, list[str]]:
    strategy, threshold = settings.promote.strategy, settings.promote.min_gain
    if comparison is None or coverage is None:
        return "refused", [f"{other.name} and tuned were not both judged under the strategy {strategy}"]
    if coverage < MIN_COVERAGE:
        return "refused", [
            f"only {coverage:.0%} of the judged turns are scored for both students; "
            f"{MIN_COVERAGE:.0%} are needed"
        ]
    if comparison.interval is None:
        return "held", [f"{comparison.questions} scored questions are too few for an interval"]
    return _placed(comparison.interval, threshold)


def _placed(interval: Interval, threshold: float) -> tuple[Verdict, list[str]]:
    shown = f"the gain's {LEVEL:.0%} interval [{interval.low:+.2f}, {interval.high:+.2f}]"
    if interval.low > threshold:
        return "promoted", [f"{shown} lies above {threshold:+.2f}"]
    if interval.high < threshold:
        return "refused", [f"{shown} lies below {threshold:+.2f}"]
    return "held", [f"{shown} contains {threshold:+.2f}, so no gain of that size can be told"]


def _guarded(
    settings: PromoteSettings, verdict: Verdict, reasons: list[str], checks: Sequence[Check]
) -> tuple[Verdict, list[str]]:
    failed = [f"{check.name}: {check.detail}" for check in checks if check.verdict == "failed"]
    if failed:
        return "refused", [*failed, *reasons]
    unknown = [check.name for check in checks if check.verdict == "not known"]
    if verdict == "promoted" and unknown and settings.promote.unknown_blocks:
        return "held", [f"not known: {', '.join(unknown)} (promote.unknown_blocks is true)", *reasons]
    return verdict, reasons
