"""Whether two texts are near-duplicates, by an exact comparison of the two.

The answer depends on the two texts and the thresholds alone, and not on which of them comes first.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cpdist

from gukbap.config import DedupConfig
from gukbap.stages.dedup.text import NUMERALS, TELLING, Comparable, jaccard, turns
from gukbap.stages.dedup.words import common_form, is_grammar, place_in_sentence, stem

_ABOUT = 3
_DENIALS = frozenset(("안", "못"))
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
    if not (_says_the_same if edit else _is_rearranged)(one, other, settings):
        return None
    shared = jaccard(one.shingles(settings.shingle_chars), other.shingles(settings.shingle_chars))
    in_order = edit or one.stems == other.stems
    if shared < (settings.jaccard if in_order else settings.rearranged_jaccard):
        return None
    reason: Reason = "near" if in_order else "rearranged"
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
    if one.counted != other.counted or turns(one.folded) != turns(other.folded):
        return False
    if _change_roles(one, other):
        return False
    least = settings.rearranged_similarity
    return bool(Levenshtein.normalized_similarity(one.sorted_stems, other.sorted_stems, score_cutoff=least))


def _says_the_same(one: Comparable, other: Comparable, settings: DedupConfig) -> bool:
    """Whether no number, denial or subject changed.

    "서울의 역사를 알려 줘" and "부산의 역사를 알려 줘" are two tasks, since a noun gave way to another in
    the same place of the sentence; the same change in a long text is none, and neither are a few other
    words.
    """
    ops = [op for op in Levenshtein.opcodes(one.folded, other.folded) if op.tag != "equal"]
    here, there = [(op.src_start, op.src_end) for op in ops], [(op.dest_start, op.dest_end) for op in ops]
    if turns(_surroundings(one, here)) != turns(_surroundings(other, there)):
        return False
    mine, theirs = _changed_words(one, here), _changed_words(other, there)
    every = [changed.word for changed in (*mine, *theirs)]
    suspicious = one.parts != other.parts or any(word.startswith(TELLING) for word in every)
    if suspicious and (one.numbers != other.numbers or not _DENIALS.isdisjoint(every)):
        return False
    if _change_places([word.stem for word in mine], [word.stem for word in theirs]):
        return False
    mine, theirs = _without_common_forms(mine, theirs)
    if any(word.counts for word in mine) and any(word.counts for word in theirs):
        return False
    nouns = _swapped_nouns(mine, theirs)
    rest = max(len(mine), len(theirs)) - nouns
    words = max(len(one.words), len(other.words))
    return nouns * settings.words_a_noun <= words and rest * settings.words_a_change <= words


def _surroundings(text: Comparable, spans: Sequence[tuple[int, int]]) -> str:
    """What changed, and the syllables about it: elsewhere both texts are alike."""
    parts: list[str] = []
    begin, last = 0, -1
    for start, end in (*spans, (len(text.folded) + 2 * _ABOUT + 1,) * 2):
        # Both texts have as much between two changes, so the parts of both are cut alike.
        if last >= 0 and start - last > 2 * _ABOUT:
            parts.append(text.folded[max(0, begin - _ABOUT) : last + _ABOUT])
            last = -1
        begin = start if last < 0 else begin
        last = end
    return " ".join(parts)


def _change_places(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether words stand in each other's place: "from A to B" and "from B to A"."""
    return mine != theirs and len(mine) > 1 and sorted(mine) == sorted(theirs)


def _change_roles(one: Comparable, other: Comparable) -> bool:
    """Whether two nouns or more have another particle than in the other text."""
    mine, theirs = (
        Counter((root, place_in_sentence(word, root)) for word in text.words if len(root := stem(word)) > 1)
        for text in (one, other)
    )
    moved = {root for root, _ in mine - theirs} & {root for root, _ in theirs - mine}
    return len(moved) > 1


class _Changed(NamedTuple):
    """A word of content that differs."""

    word: str
    stem: str
    #: whether it is what a number counts
    counts: bool


def _without_common_forms(
    mine: Sequence[_Changed], theirs: Sequence[_Changed]
) -> tuple[list[_Changed], list[_Changed]]:
    """The words that have no counterpart which says the same or is a slip of the finger away."""
    left, right = [], list(theirs)
    first = 0
    for word in mine:
        # In their order: what stands in each other's place has been swapped.
        places = (place for place in range(first, len(right)) if _is_same_word(word, right[place]))
        if (place := next(places, None)) is None:
            left.append(word)
        else:
            del right[place]
            first = place
    return left, right


def _is_same_word(one: _Changed, other: _Changed) -> bool:
    if common_form(one.stem) == common_form(other.stem):
        return True
    if one.counts or other.counts or min(len(one.word), len(other.word)) < 3:
        return False
    letters, others = (unicodedata.normalize("NFD", word.word) for word in (one, other))
    return sorted(letters) == sorted(others) or Levenshtein.distance(letters, others, score_cutoff=1) <= 1


def _swapped_nouns(mine: Sequence[_Changed], theirs: Sequence[_Changed]) -> int:
    """How many nouns gave way to others in the same places of the sentence."""
    here, there = (
        Counter(place for one in words if (place := place_in_sentence(one.word, one.stem)) is not None)
        for words in ((one for one in side if not _is_number(one.word)) for side in (mine, theirs))
    )
    return (here & there).total()


def _changed_words(text: Comparable, spans: Sequence[tuple[int, int]]) -> list[_Changed]:
    """The words of content of whose stems half or more lies in the spans, and changed units of numbers."""
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
    changed = []
    for number, count in inside.items():
        word, root = words[number], stem(words[number])
        counts = count > 0 and (word[0].isdecimal() or (number > 0 and _is_number(words[number - 1])))
        if word in NUMERALS:
            changed.append(_Changed(word, word, False))
        elif counts or (2 * count >= len(root) and not is_grammar(root)):
            changed.append(_Changed(word, root, counts))
    return changed


def _is_number(word: str) -> bool:
    return word[0].isdecimal() or word in NUMERALS
