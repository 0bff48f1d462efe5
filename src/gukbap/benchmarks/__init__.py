"""Benchmarks: evaluation questions, the prompt strategies under which they are asked, judge templates."""

from gukbap.benchmarks.packs import (
    JudgeTemplates,
    Pack,
    PackIdentity,
    load_questions,
    load_strategies,
    open_pack,
)

__all__ = ["JudgeTemplates", "Pack", "PackIdentity", "load_questions", "load_strategies", "open_pack"]
