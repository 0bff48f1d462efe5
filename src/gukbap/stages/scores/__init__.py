"""Scores: LogicKor's table, what chance can do to it, and comparisons."""

from gukbap.stages.scores.comparison import (
    CategoryDifference,
    Comparison,
    Verdict,
    compare,
    paired_difference,
)
from gukbap.stages.scores.resampling import LEVEL, RESAMPLES, Interval
from gukbap.stages.scores.table import ScoreRow, ScoreTable, Spread, remarks, score_table, without_invented

__all__ = [
    "LEVEL",
    "RESAMPLES",
    "CategoryDifference",
    "Comparison",
    "Interval",
    "ScoreRow",
    "ScoreTable",
    "Spread",
    "Verdict",
    "compare",
    "paired_difference",
    "remarks",
    "score_table",
    "without_invented",
]
