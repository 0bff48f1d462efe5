"""Which data set a run goes on with."""

from __future__ import annotations

from pydantic import Field

from gukbap.config.base import Section
from gukbap.config.platform import STORE_URL, StoreConfig

_NAME = r"^[a-z0-9][a-z0-9.-]{0,62}$"


class DataConfig(Section):
    """A data set that grows from run to run: each reuses the kept rows of those before it, evolves only
    seeds that are new, and publishes what it keeps as a further version."""

    store: str | None = Field(
        None,
        pattern=STORE_URL,
        description="where the versions lie: s3://bucket/prefix (server and keys are those of `store`) or "
        "file:///folder; null: every run makes its data anew",
    )
    name: str | None = Field(None, pattern=_NAME, description="of the data set; null: the recipe's name")
    base: str | None = Field(
        "latest",
        min_length=1,
        description="the version that a run goes on with: latest, an id or its beginning; null: none",
    )
    after: int = Field(
        0,
        ge=0,
        description="how many versions there were when the base was settled; a run sets it itself",
    )


class DataSource(Section):
    """The data set of a stage, and the version that it goes on with."""

    store: StoreConfig
    name: str
    base: str | None
    after: int
