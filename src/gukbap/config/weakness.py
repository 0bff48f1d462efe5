"""Whether categories that the champion is weak in get more of the next data, and within which bounds."""

from __future__ import annotations

from pydantic import Field

from gukbap.config.base import Section

#: rounds of evolution that any category may have
MOST_ROUNDS = 16


class WeaknessConfig(Section):
    """More seeds and rounds for weak categories.

    The start of a run turns `enabled` into generate.category_weights and generate.category_rounds, so that
    its recipe repeats it without the registry.
    """

    enabled: bool = Field(
        False, description="weigh categories by the scores of the registry's champion when a run starts"
    )
    judgements: str | None = Field(
        None,
        min_length=1,
        description="judged answers of the champion to development questions that decide nothing (a judged "
        "file, or s3://bucket/key of one); null: those that it was promoted with, which are the test's own, "
        "and the report says so",
    )
    max_share_factor: float = Field(
        2.0,
        gt=1,
        le=10,
        description="no category gets more than so many times its even share of the seeds, nor less than "
        "the even share divided by it",
    )
    extra_rounds: int = Field(
        0,
        ge=0,
        le=2,
        description="further rounds of a category at max_share_factor; less weak ones get fewer, rounded",
    )
    settled_by: str | None = Field(
        None, description="filled in by the run: by whose scores the weights and rounds were settled"
    )
