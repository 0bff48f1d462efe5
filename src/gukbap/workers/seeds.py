"""The seeds that a run evolves: had, without those that were evolved before, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gukbap.config import GenerateSettings
from gukbap.ports import Progress
from gukbap.schemas import Seed
from gukbap.stages.generate import as_many_as_there_are, draw_seeds, load_seeds, new_seeds
from gukbap.workers.fetched_files import local_seeds


@dataclass(frozen=True)
class Drawn:
    """Seeds to evolve; where the data set grows, how many were evolved before and how many got another id."""

    seeds: Sequence[Seed]
    statistics: dict[str, int] = field(default_factory=dict)


def seeds_to_evolve(settings: GenerateSettings, evolved: Sequence[Seed], progress: Progress) -> Drawn:
    """Draw the seeds of a run.

    Args:
        settings: where seeds come from, and how many are drawn.
        evolved: what earlier runs have evolved.
        progress: where a download is shown.

    Raises:
        InputError: seeds cannot be had or read, or, where the data set does not grow, are too few.
    """
    place = local_seeds(settings.generate.seeds, progress)
    config = settings.generate.model_copy(update={"seeds": place})
    given = load_seeds(config)
    if settings.data is None:
        return Drawn(draw_seeds(config, given, settings.seed))
    fresh = new_seeds(given, evolved)
    drawn = draw_seeds(as_many_as_there_are(config, fresh.seeds), fresh.seeds, settings.seed)
    return Drawn(drawn, {"seeds_known": fresh.known, "seeds_renamed": fresh.renamed})
