"""The forms of text.py for many texts at once, as code points in arrays.

A table says what becomes of each code point of Unicode's first plane. Few texts hold one for which that
depends on its neighbours, or one of another plane; these are prepared one by one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gukbap.stages.dedup import kernels
from gukbap.stages.dedup.arrays import Indices, Words32
from gukbap.stages.dedup.text import PART_SIGNS, Comparable, CutText, compatible

_PLANE = 0x10000
# What is known of a code point: it is a letter or a digit; it may be of a fixed part; it is not known
# what becomes of it; it is a space. Three of them stand in kernels.c too.
_LETTER, _PART, _UNSURE, _SPACE = np.uint8(1), np.uint8(2), np.uint8(4), np.uint8(8)
_LETTERS = re.compile(r"[^\W_]")
_JAMO = range(0x1100, 0x1200)
# Folded at once: the arrays stay in the processor's cache. Results do not depend on it.
_TEXTS_AT_ONCE = 256


class _Table(NamedTuple):
    """By code point of the first plane; the last one, which is no character, stands for all others."""

    kinds: npt.NDArray[np.uint8]
    #: what a sure code point becomes; the others stay
    compatible: Words32


@dataclass(frozen=True)
class Folded:
    """Folded texts, one after the other."""

    #: their compatible forms
    texts: list[str]
    #: the code points of all (text.Comparable.folded)
    points: Words32
    #: where each begins in `points`, with a last entry that ends them
    starts: Indices
    #: n × 2: where in its text all that can make fixed parts begins and ends; alike where there is nothing
    spans: Indices
    #: how many words each has
    words: Indices


@dataclass(frozen=True)
class Cut:
    """Texts cut into letters and words."""

    #: the code points of which words are, of all texts
    letters: Words32
    #: where each text's begin, with a last entry that ends them
    starts: Indices
    #: as Folded has them
    spans: Indices
    #: behind which of its text's letters each word ends
    word_ends: Indices
    #: how many words end before each text, and in all
    words: Indices

    @classmethod
    def of(cls, points: Words32, ends: Indices, kinds: npt.NDArray[np.uint8]) -> Cut:
        """Cut texts, given as read() gives them."""
        if not (library := kernels.library()):
            return cut_in_numpy(points, ends, kinds)
        texts, most = len(ends), len(points)
        letters, word_ends = np.empty(most, np.uint32), np.empty(most, np.int64)
        starts, words = np.empty(texts + 1, np.int64), np.empty(texts + 1, np.int64)
        spans = np.empty((texts, 2), np.int64)
        library.cut(points, kinds, ends, letters, starts, spans, word_ends, words)
        return cls(letters[: starts[-1]], starts, spans, word_ends[: words[-1]], words)


@cache
def _table() -> _Table:
    characters = list(map(chr, range(_PLANE)))
    kinds = np.zeros(_PLANE, np.uint8)
    kinds[[found.start() for found in _LETTERS.finditer("".join(characters))]] = _LETTER
    kinds[[point for point, one in enumerate(characters) if one.isdecimal()]] |= _PART
    kinds[[ord(sign) for sign in PART_SIGNS]] |= _PART
    kinds[[point for point, one in enumerate(characters) if one.isspace()]] |= _SPACE
    last = _PLANE - 1
    made = [ord(form) if len(form) == 1 else last for form in map(compatible, characters)]
    becomes = np.minimum(np.array(made, np.uint32), np.uint32(last))
    sure = becomes != last
    sure[_joining(characters)] = False
    sure &= sure[becomes] & (kinds[becomes] == kinds)
    itself = np.arange(_PLANE, dtype=np.uint32)
    return _Table(kinds | np.where(sure, np.uint8(0), _UNSURE), np.where(sure, becomes, itself))


def _joining(characters: Sequence[str]) -> list[int]:
    """The code points that may join what stands before them, or change places with it."""
    decompositions = (found for one in characters if (found := unicodedata.decomposition(one)))
    canonical = (found.split() for found in decompositions if not found.startswith("<"))
    seconds = {int(part, 16) for parts in canonical for part in parts[1:]}
    marks = {point for point, one in enumerate(characters) if unicodedata.category(one).startswith("M")}
    return sorted({point for point in seconds if point < _PLANE} | marks | set(_JAMO))


def fold(texts: Sequence[str]) -> Folded:
    """Fold texts as they were written."""
    if not any(texts):  # as short responses are
        none = (np.zeros(shape, np.int64) for shape in (len(texts) + 1, (len(texts), 2), len(texts)))
        return Folded(list(texts), np.zeros(0, np.uint32), *none)
    blocks = [_fold(texts[start : start + _TEXTS_AT_ONCE]) for start in range(0, len(texts), _TEXTS_AT_ONCE)]
    begins = np.cumsum([0, *(len(block.points) for block in blocks)])
    starts = [block.starts[:-1] + begin for block, begin in zip(blocks, begins, strict=False)]
    return Folded(
        [text for block in blocks for text in block.texts],
        np.concatenate([np.zeros(0, np.uint32), *(block.points for block in blocks)]),
        np.concatenate([*starts, begins[-1:]]),
        np.concatenate([np.zeros((0, 2), np.int64), *(block.spans for block in blocks)]),
        np.concatenate([np.zeros(0, np.int64), *(block.words for block in blocks)]),
    )


def _fold(texts: Sequence[str]) -> Folded:
    points, ends, kinds = read(texts)
    unsure = _texts_with(np.flatnonzero(kinds & _UNSURE != 0), ends).tolist()
    if unsure:
        texts = list(texts)
        for number in unsure:
            texts[number] = compatible(texts[number])
        points, ends, kinds = read(texts)
    becomes = _table().compatible.take(points, mode="clip")
    becomes = becomes if points.max(initial=0) < _PLANE else np.where(points < _PLANE, becomes, points)
    cut = Cut.of(becomes, ends, kinds)
    made = _altered(texts, points, becomes, ends)
    return Folded(made, cut.letters, cut.starts, cut.spans, np.diff(cut.words))


def _altered(texts: Sequence[str], points: Words32, becomes: Words32, ends: Indices) -> list[str]:
    """Texts in their compatible form; most have it already."""
    made = list(texts)
    for number in _texts_with(np.flatnonzero(becomes != points), ends).tolist():
        end = int(ends[number])
        made[number] = _decoded(becomes[end - len(made[number]) : end])
    return made


def comparables(texts: Sequence[str]) -> list[Comparable]:
    """Compatible texts, with their words found all at once."""
    points, ends, kinds = read(texts)
    cut = Cut.of(points, ends, kinds)
    word_ends = cut.word_ends.tolist()
    columns = (texts, _texts(cut.letters, cut.starts), pairwise(cut.words.tolist()), cut.spans.tolist())
    return [
        CutText(text, letters, word_ends[first:last], (start, end))
        for text, letters, (first, last), (start, end) in zip(*columns, strict=True)
    ]


def code_points(texts: Sequence[str]) -> tuple[Words32, Indices]:
    """The code points of texts, one after the other, and where each text ends."""
    points = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return points, np.fromiter(accumulate(map(len, texts)), np.int64, len(texts))


def read(texts: Sequence[str]) -> tuple[Words32, Indices, npt.NDArray[np.uint8]]:
    """The code points of texts, where each text ends, and what is known of each point."""
    points, ends = code_points(texts)
    kinds = _table().kinds.take(points, mode="clip")
    if points.max(initial=0) >= _PLANE:
        for place in np.flatnonzero(points >= _PLANE).tolist():
            one = chr(points[place])
            kinds[place] = _UNSURE | (_LETTER * one.isalnum()) | (_PART * one.isdecimal())
    return points, ends, kinds


def _texts(points: Words32, starts: Indices) -> list[str]:
    joined = _decoded(points)
    return [joined[start:end] for start, end in pairwise(starts.tolist())]


def _decoded(points: Words32) -> str:
    return points.tobytes().decode("utf-32-le", "surrogatepass")


def cut_in_numpy(points: Words32, ends: Indices, kinds: npt.NDArray[np.uint8]) -> Cut:
    """Cut texts without the compiled library."""
    places = _letters(kinds, ends)
    starts = _counts(places, ends)
    word_ends, words = _word_ends(places, starts)
    return Cut(points.take(places), starts, _spans(kinds, ends), word_ends, words)


def _letters(kinds: npt.NDArray[np.uint8], ends: Indices) -> Indices:
    """The places of what words are of: letters and digits, or whatever is no space where a text has none."""
    places = np.flatnonzero(kinds & _LETTER != 0)
    without = np.flatnonzero(np.diff(_counts(places, ends)) == 0).tolist()
    begins = [0, *ends.tolist()]
    more = [
        np.flatnonzero(kinds[begins[number] : begins[number + 1]] & _SPACE == 0) + begins[number]
        for number in without
    ]
    return np.sort(np.concatenate([places, *more])) if more else places


def _word_ends(places: Indices, starts: Indices) -> tuple[Indices, Indices]:
    last = np.append(places[1:] != places[:-1] + 1, True)[: len(places)]
    last[starts[1:][starts[1:] > starts[:-1]] - 1] = True
    word_ends = np.flatnonzero(last) + 1
    words = np.searchsorted(word_ends, starts, side="right")
    return word_ends - np.repeat(starts[:-1], np.diff(words)), words


def _texts_with(places: Indices, ends: Indices) -> Indices:
    """Which texts have any of the places."""
    return np.flatnonzero(np.diff(_counts(places, ends)))


def _spans(kinds: npt.NDArray[np.uint8], ends: Indices) -> Indices:
    places = np.flatnonzero(kinds & _PART != 0)
    counts = _counts(places, ends)
    found = np.flatnonzero(np.diff(counts))
    spans = np.zeros((len(ends), 2), np.int64)
    begins = np.concatenate(([0], ends))[found]
    # The signs of a number are among the two characters before it.
    spans[found, 0] = np.maximum(places[counts[:-1][found]] - begins - 2, 0)
    spans[found, 1] = places[counts[1:][found] - 1] - begins + 1
    return spans


def _counts(places: Indices, ends: Indices) -> Indices:
    """How many of the places stand before each text, and before the end."""
    return np.searchsorted(places, np.concatenate(([0], ends)))
