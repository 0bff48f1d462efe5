"""The report of a run: tables, plots, samples and facts, every number measured."""

from gukbap.stages.report.facts import ModelFact, RunFacts, Sample, build_facts
from gukbap.stages.report.pages import SCRIPTED_BANNER, TEACHER_BANNER, report, scores_document
from gukbap.stages.report.tables import text_table

__all__ = [
    "SCRIPTED_BANNER",
    "TEACHER_BANNER",
    "ModelFact",
    "RunFacts",
    "Sample",
    "build_facts",
    "report",
    "scores_document",
    "text_table",
]
