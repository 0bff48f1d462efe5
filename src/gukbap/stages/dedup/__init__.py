"""Near-dedup of training rows by their instructions and long responses."""

from gukbap.stages.dedup.near import DedupResult, near_dedup

__all__ = ["DedupResult", "near_dedup"]
