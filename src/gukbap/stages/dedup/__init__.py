"""Near-dedup of training rows by their instructions and responses."""

from gukbap.stages.dedup.file import dedup_file
from gukbap.stages.dedup.index import Index
from gukbap.stages.dedup.near import DedupResult, near_dedup

__all__ = ["DedupResult", "Index", "dedup_file", "near_dedup"]
