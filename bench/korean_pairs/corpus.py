"""The labelled corpus: rows, which of them say the same, and on which half they count.

Of the base texts a part stands alone (the innocents), a part has one near-duplicate, a part one twin. Texts
that are given beside the composed ones are divided in the same way. Everything follows from the seed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from bench.korean_pairs import duplicates, twins
from bench.korean_pairs.base_texts import BaseText, about_material, composed_texts, given_text

Label = Literal["duplicate", "twin"]
Half = Literal["tuning", "reported"]

#: Shares of the base texts with a near-duplicate and with a twin; the others stand alone.
DUPLICATE_SHARE, TWIN_SHARE = 0.3, 0.15
# Kinds whose base texts are requests about a longer text.
_ABOUT_MATERIAL = frozenset(("task", "same task"))


@dataclass(frozen=True)
class Pair:
    """Two texts, whether they say the same, and in what they differ."""

    label: Label
    kind: str
    one: str
    other: str


@dataclass(frozen=True)
class Group:
    """One base text's rows: one where it stands alone, otherwise two."""

    rows: tuple[int, ...]
    #: None: an innocent
    pair: Pair | None
    #: thresholds are chosen on one half and reported on the other
    half: Half


@dataclass(frozen=True)
class Corpus:
    """All rows in an order of no meaning, and the groups that they make up."""

    texts: tuple[str, ...]
    groups: tuple[Group, ...]


def labelled_corpus(bases: int, seed: int, given: Iterable[str] = ()) -> Corpus:
    """A corpus of so many composed base texts and the given ones.

    Args:
        bases: how many base texts are composed; the corpus has 1.45 rows for each.
        seed: of everything drawn here.
        given: further base texts, for example a data set's instructions; repeated ones count once.
    """
    composed = islice(composed_texts(seed), bases)
    texts = [*composed, *map(given_text, dict.fromkeys(text.strip() for text in given if text.strip()))]
    draw = random.Random(f"{seed}:corpus")
    made = list(_pairs(texts, seed))
    places = list(range(sum(1 if isinstance(group, str) else 2 for group in made)))
    draw.shuffle(places)
    rows: dict[int, str] = {}
    groups: list[Group] = []
    free = iter(places)
    for number, group in enumerate(made):
        held = (group,) if isinstance(group, str) else (group.one, group.other)
        own = tuple(islice(free, len(held)))
        rows.update(zip(own, held, strict=True))
        half: Half = "reported" if random.Random(f"{seed}:half:{number}").random() < 0.5 else "tuning"
        groups.append(Group(own, None if isinstance(group, str) else group, half))
    return Corpus(tuple(rows[place] for place in range(len(rows))), tuple(groups))


def _pairs(bases: Sequence[BaseText], seed: int) -> Iterator[str | Pair]:
    """A pair, or the text alone, for each base text; of the kinds that are possible the rarest is taken."""
    made: Counter[tuple[Label, str]] = Counter()
    for number, base in enumerate(bases):
        draw = random.Random(f"{seed}:pair:{number}")
        share = draw.random()
        label: Label = "duplicate" if share < DUPLICATE_SHARE else "twin"
        pair = None
        if share < DUPLICATE_SHARE + TWIN_SHARE:
            pair = _pair(base, label, made, draw)
        if pair is not None:
            made[label, pair.kind] += 1
        yield pair or base.text


def _pair(
    base: BaseText, label: Label, made: Mapping[tuple[Label, str], int], draw: random.Random
) -> Pair | None:
    kinds = duplicates.KINDS if label == "duplicate" else twins.KINDS
    order = draw.sample(sorted(kinds), len(kinds))
    for kind in sorted(order, key=lambda kind: made[label, kind]):
        own = about_material(draw) if kind in _ABOUT_MATERIAL else base
        other = kinds[kind](own, draw)
        if other is not None and other != own.text:
            return Pair(label, kind, own.text, other)
    return None
