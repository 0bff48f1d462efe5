"""Near-dedup: of rows that are the same but for small changes, one stays.

Instructions are compared by the Jaccard similarity of their character shingles over NFKC text
without case, spaces and punctuation: character 3-shingles find the Korean variants of particle,
ending and spacing that word shingles miss. A pair counts only after an exact comparison; MinHash
merely proposes pairs where there are too many rows to compare all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gukbap.config import DedupSettings
from gukbap.ports import Progress
from gukbap.schemas import Removed, Row
from gukbap.stages.dedup.pairs import Corpus, Pairs, candidate_pairs, similar_pairs, verified_pairs
from gukbap.stages.dedup.text import Comparable, jaccard, shingles

#: Up to so many different instructions all pairs are compared: no pair is missed, and bench/dedup.py finds
#: it faster there (4 s for 20,000). Above, MinHash proposes pairs.
EXACT_LIMIT = 20_000
#: A shorter response ("네, 맞습니다.") may be right for many instructions.
MIN_RESPONSE_CHARS = 30

NEAR_INSTRUCTION = "near-duplicate instruction"
SAME_RESPONSE = "same response"
CHAINED = "near-duplicate of a removed row"


@dataclass(frozen=True)
class DedupResult:
    """Rows that stay, in their order; rows that went, each with its keeper; counts."""

    kept: list[Row]
    removed: list[Removed]
    statistics: dict[str, Any]


def near_dedup(settings: DedupSettings, rows: Sequence[Row], progress: Progress) -> DedupResult:
    """Keep one row of each cluster of near-duplicates.

    Two rows are joined where their instructions hold the same numbers and reach
    `settings.dedup.similarity`, or where they share a response of at least 30 characters; clusters
    are the connected components. The row with the most rounds of evolution stays, then the one
    with the longest response, then the earliest. A second pass over the kept rows removes nothing.

    Args:
        settings: the threshold, the shingles, and MinHash with its seed.
        rows: rows in any order; none is allowed.
        progress: where a bar over the rows is shown.

    Returns:
        The result. A removed row's `similarity` is the Jaccard similarity of its instruction to its
        keeper's, 0–1, whatever the reason; it lies below the threshold where only the response is
        shared and where the way to the keeper leads over other removed rows.
    """
    instructions = [Comparable.of(row.instruction) for row in rows]
    responses = [_long_response(row) for row in rows]
    clusters = _Clusters(len(rows))
    distinct = clusters.join_equal(instructions)
    clusters.join_equal(responses)
    with progress.bar("dedup", total=len(distinct)) as bar:
        if len(distinct) > EXACT_LIMIT:
            _join_candidates(settings, instructions, distinct, clusters, bar.advance)
            left = sorted(set(_keepers(rows, clusters)))
            if len(left) <= EXACT_LIMIT:  # few enough now to find what MinHash missed
                _join_all_similar(settings, instructions, left, clusters, lambda steps: None)
        else:
            _join_all_similar(settings, instructions, distinct, clusters, bar.advance)
    keepers = _keepers(rows, clusters)
    removed = [
        _removal(settings, rows, instructions, responses, index, keeper)
        for index, keeper in enumerate(keepers)
        if keeper != index
    ]
    kept = [row for index, row in enumerate(rows) if keepers[index] == index]
    return DedupResult(kept, removed, _statistics(settings, keepers, removed, len(distinct)))


def _long_response(row: Row) -> Comparable | None:
    response = Comparable.of(row.response)
    return response if len(response.folded) >= MIN_RESPONSE_CHARS else None


class _Clusters:
    """Disjoint sets of the numbers 0 … size − 1; the smallest member stands for its set."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def find(self, member: int) -> int:
        while self._parent[member] != member:
            self._parent[member] = self._parent[self._parent[member]]
            member = self._parent[member]
        return member

    def join(self, one: int, other: int) -> None:
        one, other = self.find(one), self.find(other)
        self._parent[max(one, other)] = min(one, other)

    def join_equal(self, keys: Iterable[Hashable | None]) -> list[int]:
        """Join members with equal keys (None equals nothing); returns the first member of each key."""
        first: dict[Hashable, int] = {}
        for member, key in enumerate(keys):
            if key is not None:
                self.join(first.setdefault(key, member), member)
        return list(first.values())

    def roots(self) -> list[int]:
        """The set of each member."""
        return [self.find(member) for member in range(len(self._parent))]


def _join_all_similar(
    settings: DedupSettings,
    instructions: Sequence[Comparable],
    members: Sequence[int],
    clusters: _Clusters,
    advance: Callable[[int], None],
) -> None:
    """Compare all pairs of the members' instructions and join those that reach the threshold."""
    corpus = Corpus.of([instructions[member] for member in members], settings.dedup.shingle_chars)
    for pairs in similar_pairs(corpus, settings.dedup.similarity, advance):
        _join_pairs(pairs, members, clusters)


def _join_candidates(
    settings: DedupSettings,
    instructions: Sequence[Comparable],
    members: Sequence[int],
    clusters: _Clusters,
    advance: Callable[[int], None],
) -> None:
    """Verify the pairs that MinHash proposes and join those that reach the threshold."""
    corpus = Corpus.of([instructions[member] for member in members], settings.dedup.shingle_chars)
    for left, right in candidate_pairs(corpus, settings, advance):
        roots = np.array(clusters.roots())[np.array(members)]
        new = roots[left] != roots[right]
        verified = verified_pairs(corpus, (left[new], right[new]), settings.dedup.similarity)
        _join_pairs(verified, members, clusters)


def _join_pairs(pairs: Pairs, members: Sequence[int], clusters: _Clusters) -> None:
    for one, other in zip(pairs[0].tolist(), pairs[1].tolist(), strict=True):
        clusters.join(members[one], members[other])


def _keepers(rows: Sequence[Row], clusters: _Clusters) -> list[int]:
    """For each row, the number of the row that stays for its cluster."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    roots = clusters.roots()
    for index, root in enumerate(roots):
        members[root].append(index)
    keeper = {
        root: max(group, key=lambda index: (rows[index].lineage.round, len(rows[index].response), -index))
        for root, group in members.items()
    }
    return [keeper[root] for root in roots]


def _removal(
    settings: DedupSettings,
    rows: Sequence[Row],
    instructions: Sequence[Comparable],
    responses: Sequence[Comparable | None],
    index: int,
    keeper: int,
) -> Removed:
    length = settings.dedup.shingle_chars
    own, kept = instructions[index], instructions[keeper]
    similarity = jaccard(shingles(own.folded, length), shingles(kept.folded, length))
    if own.parts == kept.parts and similarity >= settings.dedup.similarity:
        reason = NEAR_INSTRUCTION
    elif responses[index] is not None and responses[index] == responses[keeper]:
        reason = SAME_RESPONSE
    else:
        reason = CHAINED
    return Removed(row=rows[index], keeper_id=rows[keeper].id, similarity=similarity, reason=reason)


def _statistics(
    settings: DedupSettings, keepers: Sequence[int], removed: Sequence[Removed], distinct: int
) -> dict[str, Any]:
    sizes = Counter(keepers)
    return {
        "rows": len(keepers),
        "kept": len(sizes),
        "removed": len(removed),
        "distinct_instructions": distinct,
        "clusters": sum(size > 1 for size in sizes.values()),
        "largest_cluster": max(sizes.values(), default=0),
        "similarity": settings.dedup.similarity,
        "method": "all pairs" if distinct <= EXACT_LIMIT else "minhash",
        "removed_by_reason": dict(sorted(Counter(entry.reason for entry in removed).items())),
        "removed_by_category": dict(sorted(Counter(entry.row.category for entry in removed).items())),
    }
