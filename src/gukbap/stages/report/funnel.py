"""How many rows each stage took in, kept and dropped, read from the stages' statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gukbap.stages.report.facts import RunFacts

_KEPT = ("kept", "rows")
_REASONS = ("reasons", "removed_by_reason")


@dataclass(frozen=True)
class FunnelStep:
    """One stage: rows kept, and rows dropped by reason, most first."""

    stage: str
    kept: int
    dropped: dict[str, int]

    @property
    def dropped_total(self) -> int:
        """All rows that the stage dropped."""
        return sum(self.dropped.values())


def funnel(facts: RunFacts) -> list[FunnelStep]:
    """The stages that drop rows, as far as their statistics are there."""
    given = (("generate", facts.generate), ("clean", facts.clean), ("dedup", facts.dedup))
    return [step for stage, values in given if values and (step := _step(stage, values))]


def _step(stage: str, values: Mapping[str, Any]) -> FunnelStep | None:
    kept = next((values[key] for key in _KEPT if isinstance(values.get(key), int)), None)
    if kept is None:
        return None
    reasons: dict[str, Any] = next((values[key] for key in _REASONS if isinstance(values.get(key), dict)), {})
    counted = {str(reason): count for reason, count in reasons.items() if isinstance(count, int) and count}
    return FunnelStep(stage, kept, dict(sorted(counted.items(), key=lambda item: (-item[1], item[0]))))


def operation_counts(facts: RunFacts) -> list[tuple[str, int, int]]:
    """(operation or "seed", kept, dropped) of the generate stage, in the order of their first outcome."""
    counts: dict[str, list[int]] = {}
    for outcome in (facts.generate or {}).get("outcomes", []):
        pair = counts.setdefault(outcome["operation"] or "seed", [0, 0])
        pair[outcome["outcome"] != "kept"] += outcome["count"]
    return [(operation, kept, dropped) for operation, (kept, dropped) in counts.items()]
