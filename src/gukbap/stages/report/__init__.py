"""The report of a run: tables, plots, findings, facts and the model card, every number measured."""

from gukbap.stages.report.baselines import Baseline, read_baseline
from gukbap.stages.report.facts import (
    Licence,
    ModelFact,
    ModelSource,
    Questions,
    RunFacts,
    Sample,
    build_facts,
)
from gukbap.stages.report.health import with_health
from gukbap.stages.report.pages import (
    SCRIPTED_BANNER,
    TEACHER_BANNER,
    model_card,
    report,
    scores_document,
)
from gukbap.stages.report.tables import text_table

__all__ = [
    "SCRIPTED_BANNER",
    "TEACHER_BANNER",
    "Baseline",
    "Licence",
    "ModelFact",
    "ModelSource",
    "Questions",
    "RunFacts",
    "Sample",
    "build_facts",
    "model_card",
    "read_baseline",
    "report",
    "scores_document",
    "text_table",
    "with_health",
]
