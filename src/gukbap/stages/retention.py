"""What of runs and registered models may go, by policy; what somebody needs stays.

Where runs lie and what the registry says is read elsewhere, and read again before each deletion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gukbap.config import RetentionConfig
from gukbap.holdings import RUN_PARTS, FoundRegistry, FoundRun, FoundVersion, Part


@dataclass(frozen=True)
class Ruling:
    """Whether a part goes, and why.

    Attributes:
        place: of the run; the registered model of a version.
        name: the run's id; the version.
        part: what of it.
        size: bytes; None where that is not known.
        goes: by policy, and nothing needs it.
        why: one clause.
    """

    place: str
    name: str
    part: Part
    size: int | None
    goes: bool
    why: str

    @property
    def key(self) -> str:
        """Tells it from all others."""
        return f"{self.place} {self.name} {self.part}"


def protection(run: FoundRun, registry: FoundRegistry, config: RetentionConfig, now: datetime) -> str | None:
    """Why nothing of a run may go; None where something may."""
    if run.busy:
        return "a process works in it"
    if run.run in registry.open_runs:
        return "open: MLflow says that it is running"
    abandoned = config.abandoned_days is not None and _older(run.ended, config.abandoned_days, now)
    if not run.finished and not abandoned:
        return "open: it did not finish and can be resumed"
    if run.pinned or run.run in registry.pinned_runs:
        return "pinned"
    return next((f"version {one.number} is pinned" for one in registry.of_run(run.run) if one.pinned), None)


def model_need(
    run: FoundRun, registry: FoundRegistry | None, going: Collection[FoundVersion] = ()
) -> str | None:
    """Why a run's model may not go; None where it may.

    Args:
        run: whose model it is.
        registry: None: the runs track nothing.
        going: versions that go before it.
    """
    if registry is None:
        return "no registry was asked who needs it"
    staying = [one for one in registry.of_run(run.run) if one not in going]
    registered = [f"it is version {one.number} of {one.model}" for one in staying]
    return next(iter([*(one.needed for one in staying if one.needed), *registered]), None)


def rule(
    runs: Sequence[FoundRun],
    registry: FoundRegistry | None,
    weights: Mapping[str, int],
    config: RetentionConfig,
    now: datetime,
) -> list[Ruling]:
    """Rule on all runs and versions: versions first, whose weights may then go with their run.

    Args:
        runs: of all places.
        registry: None: the runs track nothing, and no model goes.
        weights: URI of a model → bytes, of those that can be deleted from here.
        config: the policy.
        now: an aware time.
    """
    known = registry or FoundRegistry()
    protected = {(run.place, run.run): protection(run, known, config, now) for run in runs}
    closed = {run for (_, run), why in protected.items() if why is not None}
    places = {run.place for run in runs}
    rulings = [_rule_version(one, known, weights, closed, places, config, now) for one in known.versions]
    going = [one for one, ruling in zip(known.versions, rulings, strict=True) if ruling.goes]
    ended: Counter[str] = Counter()
    for run in sorted(runs, key=lambda one: (one.ended, one.run), reverse=True):
        why = protected[run.place, run.run]
        if why is not None:
            rulings.append(_ruling(run, "run", False, why))
            continue
        need = model_need(run, registry, going)
        rulings += _rule_finished(run, ended[run.place], need, config, now)
        ended[run.place] += 1
    return rulings


def _rule_finished(
    run: FoundRun, newer: int, need: str | None, config: RetentionConfig, now: datetime
) -> list[Ruling]:
    """Rule on a run that may go; `newer` finished ones ended later, and `need` keeps its model."""
    if run.work_only:
        old = _older(run.ended, config.journal_days, now)
        return [_ruling(run, "run", old, f"ended; journals stay {config.journal_days:g} days")]
    beyond = newer >= config.keep_runs
    if beyond and need is None and config.run_days is not None and _older(run.ended, config.run_days, now):
        return [_ruling(run, "run", True, f"older than {config.run_days:g} days, and {newer} are newer")]
    rules: dict[Part, tuple[bool, str]] = {
        "checkpoints": (
            newer >= config.checkpoint_runs,
            f"finished; {config.checkpoint_runs} of the newest runs keep checkpoints",
        ),
        "journals": (
            _older(run.ended, config.journal_days, now),
            f"finished; journals stay {config.journal_days:g} days",
        ),
        "model": (
            need is None and _older(run.ended, config.model_days, now),
            need or f"nothing needs it; models stay {config.model_days:g} days",
        ),
    }
    return [_ruling(run, part, *rules[part]) for part in RUN_PARTS if run.sizes.get(part)]


def _rule_version(
    version: FoundVersion,
    registry: FoundRegistry,
    weights: Mapping[str, int],
    closed: Collection[str],
    places: Collection[str],
    config: RetentionConfig,
    now: datetime,
) -> Ruling:
    outside = not any(version.source.startswith(f"{place}/") for place in places)
    why = version_need(version, registry, closed, outside=outside)
    if why is None and version.source not in weights:
        why = f"its weights lie where this command does not look ({version.source})"
    goes = why is None and _older(version.made, config.model_days, now)
    policy = f"nothing needs it; models stay {config.model_days:g} days"
    size = weights.get(version.source)
    return Ruling(version.model, str(version.number), "version", size, goes, why or policy)


def version_need(
    version: FoundVersion, registry: FoundRegistry, closed: Collection[str], *, outside: bool
) -> str | None:
    """Why a version may not go; None where it may.

    Args:
        version: of a registered model.
        registry: as MLflow says.
        closed: runs of which nothing may go.
        outside: its weights lie in no run's folder but among a cluster's artifacts, which its cache may
            hand to any run.
    """
    if version.needed:
        return version.needed
    if version.pinned or version.run in registry.pinned_runs:
        return "pinned"
    if version.run in registry.open_runs or version.run in closed:
        return "its run is open or pinned"
    if not version.settled:
        return "it has no verdict"
    if outside and registry.open_runs:
        return f"{min(registry.open_runs)} is open and may get it from the cluster's cache"
    return None


def _ruling(run: FoundRun, part: Part, goes: bool, why: str) -> Ruling:
    return Ruling(run.place, run.run, part, run.sizes.get(part, 0), goes, why)


def _older(moment: datetime, days: float, now: datetime) -> bool:
    return moment <= now - timedelta(days=days)
