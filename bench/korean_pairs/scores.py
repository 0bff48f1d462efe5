"""How well a system's removals fit the labels."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from bench.korean_pairs import duplicates, twins
from bench.korean_pairs.corpus import Corpus, Half


@dataclass(frozen=True)
class Scores:
    """Shares of 0–1 over one half of a corpus."""

    #: kind → share of its near-duplicate pairs of which a row went
    recall: Mapping[str, float]
    #: kind → share of its twins of which a row went, although both say something of their own
    twins: Mapping[str, float]
    #: share of near-duplicate pairs of which a row went
    total_recall: float
    #: share of twins of which a row went
    total_twins: float
    #: share of texts without a near-duplicate or twin that went
    innocents: float
    #: share of near-duplicate pairs of which both rows went
    lost: float


def scores(corpus: Corpus, removed: Container[int], half: Half) -> Scores:
    """Hold the removed rows against the labels of one half; those of the other half do not count."""
    hits: dict[str, dict[str, list[bool]]] = {
        "duplicate": {kind: [] for kind in duplicates.KINDS},
        "twin": {kind: [] for kind in twins.KINDS},
    }
    innocents: list[bool] = []
    lost: list[bool] = []
    for group in corpus.groups:
        if group.half != half:
            continue
        gone = [row in removed for row in group.rows]
        if group.pair is None:
            innocents += gone
        else:
            hits[group.pair.label][group.pair.kind].append(any(gone))
            if group.pair.label == "duplicate":
                lost.append(all(gone))
    by_kind = {label: {kind: _share(found) for kind, found in kinds.items()} for label, kinds in hits.items()}
    totals = {
        label: _share([hit for found in kinds.values() for hit in found]) for label, kinds in hits.items()
    }
    return Scores(
        recall=by_kind["duplicate"],
        twins=by_kind["twin"],
        total_recall=totals["duplicate"],
        total_twins=totals["twin"],
        innocents=_share(innocents),
        lost=_share(lost),
    )


def _share(found: list[bool]) -> float:
    return sum(found) / len(found) if found else float("nan")
