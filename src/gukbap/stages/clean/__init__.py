"""Cleaning: rows that hold an evaluation text, or that no student should learn from, are taken out."""
