"""When a run differs so much from the last one that somebody should look."""

from __future__ import annotations

from pydantic import Field

from gukbap.config.base import Section


class HealthConfig(Section):
    """What counts as a step change against the last finished run of the same recipe."""

    score_step: float = Field(1.0, gt=0, le=10, description="points of 10 that a score may change by")
    share_step: float = Field(
        0.1, gt=0, le=1, description="by how much a share may change: drop reasons, coverage, language"
    )
    relative_step: float = Field(
        0.5, gt=0, description="part of its former value that a count, a loss or a cost may change by"
    )
    judge_answers: int = Field(
        0,
        ge=0,
        description="so many stored answers of the last run are judged again and their scores compared "
        "(judge drift); each takes two calls; 0: none",
    )
    judge_step: float = Field(
        0.5, gt=0, le=10, description="points by which the mean score of those answers may change"
    )
