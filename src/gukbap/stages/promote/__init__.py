"""Promotion: whether a tuned student is better than the champion by more than chance explains."""

from gukbap.stages.promote.decision import MIN_COVERAGE, Conditions, decide, reasons_apart
from gukbap.stages.promote.evidence import EVIDENCE, Contender, RunEvidence, read_evidence, run_evidence
from gukbap.stages.promote.records import Check, Decision
from gukbap.stages.promote.text import decision_text

__all__ = [
    "EVIDENCE",
    "MIN_COVERAGE",
    "Check",
    "Conditions",
    "Contender",
    "Decision",
    "RunEvidence",
    "decide",
    "decision_text",
    "read_evidence",
    "reasons_apart",
    "run_evidence",
]
