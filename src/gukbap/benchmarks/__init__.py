"""Benchmarks: evaluation questions and the prompt strategies under which they are asked."""

from gukbap.benchmarks.questions import load_questions, load_strategies

__all__ = ["load_questions", "load_strategies"]
