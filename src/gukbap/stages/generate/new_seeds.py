"""Seeds that were not evolved yet, by their texts, where a data set grows from run to run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gukbap.config import GenerateConfig
from gukbap.files import sha256_text
from gukbap.schemas import Seed
from gukbap.stages.generate.seed_files import text_digest

_HASH_CHARS = 8


@dataclass(frozen=True)
class NewSeeds:
    """The seeds that are new, in their order; how many are known, and how many got another id."""

    seeds: list[Seed]
    known: int
    renamed: int


def new_seeds(seeds: Iterable[Seed], evolved: Iterable[Seed]) -> NewSeeds:
    """Leave out the seeds whose texts were evolved before, whatever they are called.

    A new one whose id is taken by another text (a line that was mended, files that are both numbered
    from 1) is named ID~HASH, so that an id means one text in all of a data set.

    Args:
        seeds: what a run is given.
        evolved: what earlier runs have evolved.
    """
    earlier = list(evolved)
    texts = {text_digest(seed.instruction) for seed in earlier}
    ids = {seed.id for seed in earlier}
    given = list(seeds)
    fresh = [seed for seed in given if text_digest(seed.instruction) not in texts]
    named = [_renamed(seed) if seed.id in ids else seed for seed in fresh]
    renamed = sum(new is not old for new, old in zip(named, fresh, strict=True))
    return NewSeeds(named, len(given) - len(fresh), renamed)


def strangers(seeds: Iterable[Seed], others: Iterable[Seed]) -> list[Seed]:
    """The seeds of which neither the text nor the id is among the others'."""
    known = list(others)
    texts = {text_digest(seed.instruction) for seed in known}
    ids = {seed.id for seed in known}
    return [seed for seed in seeds if seed.id not in ids and text_digest(seed.instruction) not in texts]


def _renamed(seed: Seed) -> Seed:
    digest = sha256_text(seed.instruction)[:_HASH_CHARS]
    return seed.model_copy(update={"id": f"{seed.id}~{digest}"})


def as_many_as_there_are(config: GenerateConfig, seeds: Sequence[Seed]) -> GenerateConfig:
    """The settings with a draw that the seeds can give: of new ones there may be few, or none.

    Without a growing data set too few seeds are an error (draw_seeds).
    """
    there = Counter(seed.category for seed in seeds)
    count = config.seed_count
    return config.model_copy(
        update={
            "seed_count": None if count is None or count >= len(seeds) else count,
            "seed_quota": {name: min(n, there[name]) for name, n in config.seed_quota.items()},
        }
    )
