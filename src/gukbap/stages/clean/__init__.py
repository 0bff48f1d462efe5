"""Cleaning: rows that hold an evaluation text, or that no student should learn from, are taken out."""

from gukbap.stages.clean.stage import CleanResult, clean

__all__ = ["CleanResult", "clean"]
