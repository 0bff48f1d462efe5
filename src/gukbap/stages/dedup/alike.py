"""Whether two texts are near-duplicates, by an exact comparison of the two.

The answer depends on the two texts and the thresholds alone, and not on which of them comes first.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Literal

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from gukbap.config import DedupConfig
from gukbap.stages.dedup.text import TELLING, Comparable, jaccard
from gukbap.stages.dedup.words import is_grammar, is_noun, stem

Reason = Literal["same", "near", "rearranged"]


@dataclass(frozen=True)
class Likeness:
    """How alike two texts are: Jaccard similarity of their shingles and edit similarity, both 0–1."""

    reason: Reason
    jaccard: float
    edit: float


def likeness(one: Comparable, other: Comparable, settings: DedupConfig) -> Likeness | None:
    """How alike two texts are; None where they are not near-duplicates.

    Near-duplicates speak of the same numbers, deny as often, and differ in few words of content.
    Their folded texts reach `settings.similarity` (Levenshtein's distance over the longer text, from
    1), or their sorted stems do where clauses stand in another order or many endings changed.
    """
    if one.folded == other.folded:
        return Likeness("same", 1.0, 1.0) if one.parts == other.parts else None
    edit = Levenshtein.normalized_similarity(one.folded, other.folded, score_cutoff=settings.similarity)
    reason: Reason = "near" if edit else "rearranged"
    if not (_says_the_same if edit else _is_rearranged)(one, other, settings):
        return None
    shared = jaccard(one.shingles(settings.shingle_chars), other.shingles(settings.shingle_chars))
    if shared < (settings.jaccard if edit else settings.rearranged_jaccard):
        return None
    return Likeness(reason, shared, edit or Levenshtein.normalized_similarity(one.folded, other.folded))


def may_be_alike(
    left: Sequence[Comparable],
    right: Sequence[Comparable],
    rearranged: npt.NDArray[np.bool_],
    settings: DedupConfig,
) -> npt.NDArray[np.bool_]:
    """Which pairs of texts may be alike, by their edit similarities alone, all at once.

    Args:
        left: one text of each pair.
        right: the other.
        rearranged: which pairs may be so.
        settings: the thresholds.
    """
    alike = _reach([text.folded for text in left], [text.folded for text in right], settings.similarity)
    rest = np.flatnonzero(rearranged & ~alike).tolist()
    ours, theirs = ([texts[place].sorted_stems for place in rest] for texts in (left, right))
    alike[rest] = _reach(ours, theirs, settings.rearranged_similarity)
    return alike


def _reach(left: Sequence[str], right: Sequence[str], similarity: float) -> npt.NDArray[np.bool_]:
    found = cpdist(left, right, scorer=Levenshtein.normalized_similarity, score_cutoff=similarity)
    return np.asarray(found > 0)


def _is_rearranged(one: Comparable, other: Comparable, settings: DedupConfig) -> bool:
    if one.counted != other.counted or one.negations != other.negations or one.numerals != other.numerals:
        return False
    least = settings.rearranged_similarity
    return bool(Levenshtein.normalized_similarity(one.sorted_stems, other.sorted_stems, score_cutoff=least))


def _says_the_same(one: Comparable, other: Comparable, settings: DedupConfig) -> bool:
    """Whether no number, denial or subject changed.

    "서울의 역사를 알려 줘" and "부산의 역사를 알려 줘" are two tasks, since a noun gave way to another;
    the same change in a long text is none, and neither are a few other words.
    """
    if one.parts != other.parts:
        return False
    ops = [op for op in Levenshtein.opcodes(one.folded, other.folded) if op.tag != "equal"]
    mine, theirs = [(op.src_start, op.src_end) for op in ops], [(op.dest_start, op.dest_end) for op in ops]
    signs = "".join([one.folded[a:b] for a, b in mine] + [other.folded[a:b] for a, b in theirs])
    if not TELLING.isdisjoint(signs) and (one.negations != other.negations or one.numerals != other.numerals):
        return False
    changed = _changed_words(one, mine), _changed_words(other, theirs)
    nouns = min(sum(starmap(is_noun, words)) for words in changed)
    rest = max(map(len, changed)) - nouns
    words = max(len(one.words), len(other.words))
    return nouns * settings.words_a_noun <= words and rest * settings.words_a_change <= words


def _changed_words(text: Comparable, spans: Sequence[tuple[int, int]]) -> list[tuple[str, str]]:
    """The words of content, and their stems, of which half or more lies in the spans."""
    words, ends = text.words, text.ends
    inside: dict[int, int] = {}
    for start, end in spans:
        number = bisect_right(ends, start)
        while start < end:
            first = ends[number] - len(words[number])
            within = min(first + len(stem(words[number])), end) - start
            inside[number] = inside.get(number, 0) + max(0, within)
            start = ends[number]
            number += 1
    changed = [(words[number], stem(words[number]), count) for number, count in inside.items()]
    return [(word, root) for word, root, count in changed if 2 * count >= len(root) and not is_grammar(root)]
