"""Drift: what changed by a step between a run and the last one of the same recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from gukbap.config import HealthConfig
from gukbap.schemas import Judgement, Record

Kind = Literal["score", "share", "amount", "judge"]
#: how a metric (see comparable.comparable_metrics) changes is told by the first parts of its name
_KINDS: Mapping[str, Kind] = {
    "score": "score",
    "drop": "share",
    "data.kept_share": "share",
    "data.duplicate_share": "share",
    "data.excluded_share": "share",
    "coverage": "share",
    "language": "share",
    "stopped": "share",
    "data": "amount",
    "train.loss": "amount",
    "train.validation_loss": "amount",
    "train.base_validation_loss": "amount",
    "teacher": "amount",
    "judge": "amount",
    "infer.generated_tokens": "amount",
}
#: amounts that follow the number of seeds, of which a run that goes on with older data may have few, or none
_SEEDS = "data.seeds"
_OF_SEEDS = ("data.generated", "teacher.")
#: shares of what the seeds gave
_OF_CANDIDATES = ("data.kept_share", "drop.")
#: the mean score of stored answers, as they were judged then and now
JUDGE_DRIFT = "judge drift"


class Drift(Record):
    """One number in the last run and in this one."""

    name: str
    kind: Kind
    #: None: it was not taken
    before: float | None
    now: float | None
    #: the change that is flagged, in the number's own unit; None where there is nothing to compare
    limit: float | None
    flagged: bool


class Health(Record):
    """A run beside the last finished run of the same recipe."""

    #: the last run's name in the tracker
    last: str
    drifts: list[Drift]

    @property
    def flagged(self) -> list[Drift]:
        """The step changes."""
        return [one for one in self.drifts if one.flagged]


def health(config: HealthConfig, last: str, before: Mapping[str, float], now: Mapping[str, float]) -> Health:
    """Compare the flat numbers of two runs.

    A number that only one of them has is flagged where it was taken before: what is measured no longer
    is a change, too. What generation took and gave is compared by seed: with data that grow, a run evolves
    new seeds alone.

    Args:
        config: what counts as a step.
        last: what the last run is called.
        before: its metrics, see comparable.comparable_metrics.
        now: this run's.
    """
    seeds = _growth(before.get(_SEEDS), now.get(_SEEDS))
    unasked = (_SEEDS, *_OF_SEEDS, *_OF_CANDIDATES) if not seeds else (_SEEDS,)
    names = [
        name for name in sorted({*before, *now}) if _kind(name) is not None and not name.startswith(unasked)
    ]
    drifts = [
        _drift(
            config,
            name,
            before.get(name),
            now.get(name),
            growth=seeds if name.startswith(_OF_SEEDS) else 1.0,
        )
        for name in names
    ]
    return Health(last=last, drifts=drifts)


def _growth(before: float | None, now: float | None) -> float:
    """Seeds of this run for one of the last; 0 where one of the two had none."""
    if before is None or now is None:
        return 1.0
    return now / before if before else 0.0


def _kind(name: str) -> Kind | None:
    parts = name.split(".")
    if parts[0] == "score" and len(parts) > 2:
        return None  # a category's seven questions waver by more than a step
    known = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((_KINDS[prefix] for prefix in known if prefix in _KINDS), None)


def _drift(
    config: HealthConfig, name: str, before: float | None, now: float | None, *, growth: float
) -> Drift:
    kind = _kind(name) or "amount"
    limit = {
        "score": config.score_step,
        "share": config.share_step,
        "judge": config.judge_step,
        "amount": config.relative_step * abs(growth * (before or 0.0)),
    }[kind]
    if kind == "share" and name.startswith("drop."):
        # A reason that does not occur has no number.
        before, now = before or 0.0, now or 0.0
    if before is None or now is None:
        return Drift(name=name, kind=kind, before=before, now=now, limit=None, flagged=now is None)
    flagged = abs(now - growth * before) > limit
    return Drift(name=name, kind=kind, before=before, now=now, limit=limit, flagged=flagged)


def judge_drift(config: HealthConfig, then: Sequence[Judgement], now: Sequence[Judgement]) -> Drift | None:
    """The same answers judged then and now; None where no turn has a score in both.

    Args:
        config: what counts as a step.
        then: stored judgements.
        now: of the same answers.
    """
    scores = [{one.slot: one.score for one in group if one.score is not None} for group in (then, now)]
    shared = sorted(scores[0].keys() & scores[1].keys())
    if not shared:
        return None
    before, after = (fmean(group[slot] for slot in shared) for group in scores)
    return Drift(
        name=JUDGE_DRIFT,
        kind="judge",
        before=before,
        now=after,
        limit=config.judge_step,
        flagged=abs(after - before) > config.judge_step,
    )
