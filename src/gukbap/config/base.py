"""What every part of a recipe is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gukbap.files import canonical_json


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def settings_text(settings: Section) -> str:
    """A settings object as the one JSON text that travels through the pipeline."""
    return canonical_json(settings.model_dump(mode="json"))
