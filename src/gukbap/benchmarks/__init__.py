"""Benchmarks: evaluation questions, the prompt strategies under which they are asked, judge templates."""

from gukbap.benchmarks.packs import (
    JudgeTemplates,
    Pack,
    PackIdentity,
    load_questions,
    load_strategies,
    open_pack,
)
from gukbap.benchmarks.texts import Evaluation, file_texts, pack_texts

__all__ = [
    "Evaluation",
    "JudgeTemplates",
    "Pack",
    "PackIdentity",
    "file_texts",
    "load_questions",
    "load_strategies",
    "open_pack",
    "pack_texts",
]
