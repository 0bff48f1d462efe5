"""The split of rows into training and validation."""

from gukbap.stages.split.sides import SplitResult, split

__all__ = ["SplitResult", "split"]
