"""Whether two texts are near-duplicates, by an exact comparison of the two.

The answer depends on the two texts and the thresholds alone, and not on which of them comes first.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

from gukbap.config import DedupConfig
from gukbap.stages.dedup.changes import Changed, changed_words, changes, surroundings
from gukbap.stages.dedup.numerals import may_be_numeral
from gukbap.stages.dedup.text import Comparable, jaccard, turns
from gukbap.stages.dedup.words import common_form, traits

_DENIALS = frozenset(("안", "못"))
Reason = Literal["same", "near", "rearranged"]


class Likeness(NamedTuple):
    """How alike two texts are: Jaccard similarity of their shingles and edit similarity, both 0–1."""

    reason: Reason
    jaccard: float
    edit: float


class Measured(NamedTuple):
    """What is known of a pair before it is compared."""

    #: its edit similarity, 0 where that is below `settings.similarity`
    edit: float | None = None
    #: the Jaccard similarity of its shingles
    jaccard: float | None = None
    #: whether it may be alike in another order
    rearranged: bool = True


_NOTHING = Measured()


def likeness(
    one: Comparable, other: Comparable, settings: DedupConfig, known: Measured = _NOTHING
) -> Likeness | None:
    """How alike two texts are; None where they are not near-duplicates.

    Short texts of one gist are, whatever their spelling. Other near-duplicates speak of the same numbers,
    deny as often, and differ in few words of content. Their folded texts reach `settings.similarity`
    (Levenshtein's distance over the longer text, from 1), or their sorted stems do where clauses stand in
    another order or many endings changed.
    """
    if one.folded == other.folded:
        return Likeness("same", 1.0, 1.0) if one.parts == other.parts else None
    if one.gist and one.gist == other.gist:
        return alike_by_gist(one, other, settings)
    edit, shared = known.edit, known.jaccard
    if edit is None:
        edit = Levenshtein.normalized_similarity(one.folded, other.folded, score_cutoff=settings.similarity)
    if not edit and not known.rearranged:
        return None
    # What costs least to find out comes first.
    if shared is not None and not _shares_enough(shared, edit, one, other, settings):
        return None
    if not (_says_the_same if edit else _is_rearranged)(one, other, settings):
        return None
    if shared is None:
        shared = jaccard(one.shingles(settings.shingle_chars), other.shingles(settings.shingle_chars))
        if not _shares_enough(shared, edit, one, other, settings):
            return None
    reason: Reason = "near" if edit or _have_the_same_stems(one, other) else "rearranged"
    return Likeness(reason, shared, edit or Levenshtein.normalized_similarity(one.folded, other.folded))


def alike_by_gist(one: Comparable, other: Comparable, settings: DedupConfig) -> Likeness:
    """How alike two texts of one gist are."""
    shared = jaccard(one.shingles(settings.shingle_chars), other.shingles(settings.shingle_chars))
    return Likeness("near", shared, Levenshtein.normalized_similarity(one.folded, other.folded))


def _is_rearranged(one: Comparable, other: Comparable, settings: DedupConfig) -> bool:
    if one.turns != other.turns or one.counted != other.counted:
        return False
    if len(one.ends) == len(other.ends) and one.sorted_words == other.sorted_words:
        return True
    least = settings.rearranged_similarity
    if not Levenshtein.normalized_similarity(one.sorted_stems, other.sorted_stems, score_cutoff=least):
        return False
    if one.has_material and other.has_material and one.asked - other.asked and other.asked - one.asked:
        return False
    return not _change_roles(one, other)


def _shares_enough(
    shared: float, edit: float, one: Comparable, other: Comparable, settings: DedupConfig
) -> bool:
    """Whether the Jaccard similarity is large enough: less is where the same stems are in the same order."""
    if shared >= max(settings.jaccard, settings.rearranged_jaccard):
        return True
    in_order = edit or _have_the_same_stems(one, other)
    return shared >= (settings.jaccard if in_order else settings.rearranged_jaccard)


def _have_the_same_stems(one: Comparable, other: Comparable) -> bool:
    # Most texts in another order begin with another word.
    return one.first_stem == other.first_stem and one.stems == other.stems


def _says_the_same(one: Comparable, other: Comparable, settings: DedupConfig) -> bool:
    """Whether no number, denial or subject changed.

    "서울의 역사를 알려 줘" and "부산의 역사를 알려 줘" are two tasks, since a noun gave way to another in
    the same place of the sentence; the same change in a long text is none, and neither are a few other
    words, but for those of a request about long material.
    """
    if one.parts != other.parts and one.numbers != other.numbers:
        return False
    here, there = changes(one, other)
    if turns(surroundings(one, here)) != turns(surroundings(other, there)):
        return False
    mine, theirs = changed_words(one, here), changed_words(other, there)
    every = [changed.word for changed in (*mine, *theirs)]
    if not _DENIALS.isdisjoint(every):
        return False
    in_words = any(map(may_be_numeral, every))
    if (in_words or one.parts != other.parts) and one.numbers != other.numbers:
        return False
    if _change_places([word.stem for word in mine], [word.stem for word in theirs]):
        return False
    if (in_words or any(word.counts for word in (*mine, *theirs))) and one.amounts != other.amounts:
        return False
    # Numbers are the same by now, and one text may write a digit.
    mine, theirs = ([word for word in words if not word.numeral] for words in (mine, theirs))
    mine, theirs = _without_common_forms(mine, theirs)
    if any(word.counts for word in mine) and any(word.counts for word in theirs):
        return False
    if not _has_room(mine, theirs, max(len(one.ends), len(other.ends)), settings):
        return False
    return not (mine and theirs and _asks_otherwise(one, mine) and _asks_otherwise(other, theirs))


def _asks_otherwise(text: Comparable, changed: Sequence[Changed]) -> bool:
    """Whether a changed word stands in a request about material: then it makes another task of it."""
    return text.has_material and any(text.asking[word.number] for word in changed)


def _has_room(mine: Sequence[Changed], theirs: Sequence[Changed], words: int, settings: DedupConfig) -> bool:
    """Whether so many words have room for the changed ones."""
    nouns = _swapped_nouns(mine, theirs)
    rest = max(len(mine), len(theirs)) - nouns
    return nouns * settings.words_a_noun <= words and rest * settings.words_a_change <= words


def _change_places(mine: Sequence[str], theirs: Sequence[str]) -> bool:
    """Whether words stand in each other's place: "from A to B" and "from B to A"."""
    return mine != theirs and len(mine) > 1 and sorted(mine) == sorted(theirs)


def _change_roles(one: Comparable, other: Comparable) -> bool:
    """Whether two nouns or more have another particle than in the other text."""
    if one.roles == other.roles:
        return False
    mine, theirs = (
        Counter({role: n for role, n in text.roles.items() if len(role.stem) > 1}) for text in (one, other)
    )
    return len({role.stem for role in mine - theirs} & {role.stem for role in theirs - mine}) > 1


def _without_common_forms(
    mine: Sequence[Changed], theirs: Sequence[Changed]
) -> tuple[list[Changed], list[Changed]]:
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


def _is_same_word(one: Changed, other: Changed) -> bool:
    if common_form(one.stem) == common_form(other.stem) or (one.counts and one.counts == other.counts):
        return True
    if one.counts or other.counts or min(len(one.word), len(other.word)) < 3:
        return False
    letters, others = _letters(one.word), _letters(other.word)
    return sorted(letters) == sorted(others) or Levenshtein.distance(letters, others, score_cutoff=1) <= 1


@lru_cache(1 << 12)
def _letters(word: str) -> str:
    return unicodedata.normalize("NFD", word)


def _swapped_nouns(mine: Sequence[Changed], theirs: Sequence[Changed]) -> int:
    """How many nouns gave way to others in the same places of the sentence."""
    if not mine or not theirs:
        return 0
    swapped, left = 0, _noun_places(theirs)
    for places in _noun_places(mine):
        match = next((number for number, others in enumerate(left) if not places.isdisjoint(others)), None)
        if match is not None:
            del left[match]
            swapped += 1
    return swapped


def _noun_places(changed: Sequence[Changed]) -> list[frozenset[str]]:
    places = [traits(one.word).places for one in changed if not (one.numeral or one.word[0].isdecimal())]
    return [frozenset(one) for one in places if one]
