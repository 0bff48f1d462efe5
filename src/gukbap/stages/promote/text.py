"""A decision as people read it."""

from __future__ import annotations

from gukbap.stages.promote.records import Decision


def decision_text(decision: Decision, model: str) -> str:
    """The record as short Markdown, which MLflow shows beside the version.

    Args:
        decision: what was decided.
        model: name in the registry.
    """
    lines = [f"# {model}: {decision.verdict}", ""]
    lines += [f"- {reason}" for reason in decision.reasons]
    lines += ["", *_numbers(decision), "", "| guard rail | verdict | number |", "| --- | --- | --- |"]
    lines += [f"| {check.name} | {check.verdict} | {check.detail} |" for check in decision.checks]
    return "\n".join(lines) + "\n"


def _numbers(decision: Decision) -> list[str]:
    rows = [
        ("compared with", decision.against),
        ("strategy", decision.strategy),
        ("judge", decision.judge or "–"),
        ("gain, points of 10", _signed(decision.gain)),
        ("95 % interval", _interval(decision)),
        ("p (permutation)", "–" if decision.permutation_p is None else f"{decision.permutation_p:.4f}"),
        ("must be above", f"{decision.threshold:+.2f}"),
        ("questions", str(decision.questions)),
        ("scored for both", "–" if decision.coverage is None else f"{decision.coverage:.0%}"),
    ]
    return ["| number | value |", "| --- | --- |", *(f"| {name} | {value} |" for name, value in rows)]


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _interval(decision: Decision) -> str:
    if decision.low is None or decision.high is None:
        return "–"
    return f"[{decision.low:+.2f}, {decision.high:+.2f}]"
