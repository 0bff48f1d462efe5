"""Split rows into training and validation so that nothing of one side was seen on the other.

Evolved rows of one seed resemble each other; with some of them in training, the validation loss would
measure memory. Whole families are drawn therefore, and rows of different seeds that are alike count as one
family. Families stand in an order that the seed and their names alone decide: validation is drawn from its
beginning, and training leaves out rows next to it. So further rows move few others, and those from
validation to the rows left out rather than to training.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import SplitSettings
from gukbap.errors import InputError
from gukbap.schemas import Row
from gukbap.stages.split.draw import drawn, least_size
from gukbap.stages.split.families import Family, families, operation, rank
from gukbap.stages.split.steady import steady_draw


@dataclass(frozen=True)
class SplitResult:
    """Both sides, each in the rows' order, the rows that stand on neither, and counts."""

    train: list[Row]
    validation: list[Row]
    left_out: list[Row]
    statistics: dict[str, Any]


def split(settings: SplitSettings, rows: Sequence[Row]) -> SplitResult:
    """Draw whole families for validation; the other rows, or so many of them as are wanted, train.

    Validation gets the fewest rows that whole families allow, but at least
    `settings.split.validation_rows`; with `settings.split.exact` exactly so many, and the rest of the last
    family stands on neither side. Both sides are close to all rows' categories and operations. The result
    depends on the seed and the rows, not on their order.

    Raises:
        InputError: there are too few rows or families for the wanted sizes.
    """
    found = families(settings, rows)
    chosen = _validation(settings, rows, found)
    held = {place for family in chosen for place in family.rows}
    too_many = len(held) - settings.split.validation_rows if settings.split.exact else 0
    left_out = set(_ranked(settings.seed, rows, chosen[-1])[chosen[-1].size - too_many :])
    others = [family for family in found if family.rows[0] not in held]
    free = sum(family.size for family in others)
    surplus = 0 if settings.split.train_rows is None else free - settings.split.train_rows
    if surplus < 0:
        raise _too_few_to_train(settings, len(rows), free)
    left_out |= _beside_validation(settings.seed, rows, others, surplus)
    sides = {
        "train": [row for place, row in enumerate(rows) if place not in held | left_out],
        "validation": [row for place, row in enumerate(rows) if place in held - left_out],
        "left_out": [row for place, row in enumerate(rows) if place in left_out],
    }
    counts = {
        "families": len(found),
        "validation_families": len(chosen),
        "train_families": sum(not left_out.issuperset(family.rows) for family in others),
    }
    return SplitResult(**sides, statistics=_statistics(settings, sides, counts))


def _validation(settings: SplitSettings, rows: Sequence[Row], found: Sequence[Family]) -> list[Family]:
    wanted = settings.split.validation_rows
    if settings.split.exact:
        chosen = steady_draw(found, wanted)
    else:
        total = least_size(found, wanted)
        chosen = [] if total is None else drawn(found, total, settings.seed)
    if sum(family.size for family in chosen) < wanted:
        raise _too_few(settings, rows, found)
    return chosen


def _ranked(seed: int, rows: Sequence[Row], family: Family) -> list[int]:
    """A family's rows in an order that the seed and their ids alone decide."""
    return sorted(family.rows, key=lambda place: rank(seed, "row", rows[place].id))


def _beside_validation(seed: int, rows: Sequence[Row], others: Sequence[Family], surplus: int) -> set[int]:
    """So many rows, of each category its part, of the families that stand next to validation."""
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for family in others:
        groups[family.category] += _ranked(seed, rows, family)
    every = max(1, sum(map(len, groups.values())))
    parts = {name: surplus * len(places) / every for name, places in groups.items()}
    counts = {name: int(part) for name, part in parts.items()}
    by_remainder = sorted(parts, key=lambda name: (counts[name] - parts[name], rank(seed, "category", name)))
    for name in by_remainder[: surplus - sum(counts.values())]:
        counts[name] += 1
    return {place for name, places in groups.items() for place in places[: counts[name]]}


def _too_few(settings: SplitSettings, rows: Sequence[Row], found: Sequence[Family]) -> InputError:
    sizes = sorted(family.size for family in found)
    most = sum(sizes[1:])
    lower = f"set split.validation_rows to {most} or less, or " if most else ""
    joined = len({row.lineage.seed_id for row in rows}) - len(found)
    return InputError(
        f"{len(rows)} rows in {len(found)} families (the largest has {max(sizes, default=0)}) cannot be "
        f"split with validation_rows {settings.split.validation_rows}: no whole family would be left for "
        "training",
        expected=f"at least {settings.split.validation_rows} rows in some families, and one family more",
        fix=f"{lower}generate more rows (generate.seed_count, generate.rounds)"
        + (f"; likeness joined {joined} families to others, split.similarity decides that" if joined else ""),
    )


def _too_few_to_train(settings: SplitSettings, rows: int, free: int) -> InputError:
    wanted = settings.split.train_rows or 0
    return InputError(
        f"{rows} rows leave {free} for training beside the families that validate; split.train_rows is "
        f"{wanted}",
        expected=f"at least {rows + wanted - free} rows",
        fix=f"set split.train_rows to {max(1, free)}, or to null for all that there are, or generate more "
        "rows (generate.seed_count, generate.rounds, generate.max_rows)",
    )


def _statistics(
    settings: SplitSettings, sides: dict[str, list[Row]], counts: dict[str, int]
) -> dict[str, Any]:
    def tally(side: str, of: Callable[[Row], str]) -> dict[str, int]:
        return dict(sorted(Counter(map(of, sides[side])).items()))

    every = [row for rows in sides.values() for row in rows]
    seeds = len({row.lineage.seed_id for row in every})
    return {
        "rows": len(every),
        "train_rows": len(sides["train"]),
        "validation_rows": len(sides["validation"]),
        "left_out_rows": len(sides["left_out"]),
        "train_rows_wanted": settings.split.train_rows,
        "validation_rows_wanted": settings.split.validation_rows,
        **counts,
        "seed_families": seeds,
        # each would have been a family of its own, and might have stood across from one that is like it
        "seed_families_joined": seeds - counts["families"],
        "similarity": settings.split.similarity,
        "train_by_category": tally("train", lambda row: row.category),
        "validation_by_category": tally("validation", lambda row: row.category),
        "train_by_operation": tally("train", operation),
        "validation_by_operation": tally("validation", operation),
    }
