"""What of finished runs may go, and when."""

from __future__ import annotations

from pydantic import Field

from gukbap.config.base import Section


class RetentionConfig(Section):
    """What `gukbap prune` lets go. What an alias of the registry leads to, open runs and pinned ones stay
    whatever stands here."""

    checkpoint_runs: int = Field(
        0, ge=0, description="so many of the newest finished runs keep checkpoints of their training"
    )
    journal_days: float = Field(
        30, ge=0, description="journals and logs of a finished run stay so long after its end"
    )
    model_changes: int = Field(
        3, ge=0, description="models of the newest so many changes of champion stay, besides the aliases'"
    )
    model_days: float = Field(14, ge=0, description="a model that nothing needs stays at least so long")
    keep_runs: int = Field(
        10, ge=1, description="so many of the newest finished runs are never deleted as a whole"
    )
    run_days: float | None = Field(
        None,
        ge=0,
        description="finished runs beyond keep_runs go as a whole so long after their end; null: never",
    )
    upload_days: float = Field(
        7,
        ge=0,
        description="an upload to a bucket that did not end in so long was killed, and its parts, which no "
        "listing shows, are given up",
    )
    abandoned_days: float | None = Field(
        None,
        ge=0,
        description="a run that did not finish counts as finished so long after its last step; null: never, "
        "since it can be resumed",
    )
