"""Texts in the form in which leaks are looked for: letters and numbers alone, and clauses of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from gukbap.stages.clean.numbers import NUMBER_RANGE, mark_digits, mark_words

#: A clause of fewer letters is part of its neighbour: it would be found anywhere.
MIN_CLAUSE_LETTERS = 4
#: A sentence without an end is cut here.
_LONGEST_SENTENCE = 200

_NO_LETTER = re.compile(rf"[^\w{NUMBER_RANGE}]+|_+")
_CLAUSE_END = re.compile(r"(?<=[.?!。？！\n])|(?<=,)(?!\d{3})")
_SENTENCE_END = re.compile(r"(?<=[.?!。？！])(?=[\s\"'”’)\]])|(?<=\n)")


def letters(text: str) -> str:
    """A text without case, spaces, signs and the way its numbers are written (see `numbers`).

    Any string is accepted; one without a letter or digit gives "".
    """
    compatible = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return mark_words(_NO_LETTER.sub("", "".join(mark_digits(compatible).split())))


def clauses(text: str) -> list[str]:
    """The letters of a text's clauses in their order; short ones are joined to the clause before."""
    found: list[str] = []
    for piece in map(letters, _CLAUSE_END.split(text)):
        if found and min(len(piece), len(found[-1])) < MIN_CLAUSE_LETTERS:
            found[-1] += piece
        elif piece:
            found.append(piece)
    return found


def passages(text: str, least: int, longest: int) -> Iterator[str]:
    """A text of more than `longest` letters as runs of sentences of at least `least` letters; others whole.

    The last run may be shorter than the others and then ends the one before.
    """
    if len(letters(text)) <= longest:
        yield text
        return
    sentences = [
        sentence[start : start + _LONGEST_SENTENCE]
        for sentence in _SENTENCE_END.split(text)
        for start in range(0, len(sentence), _LONGEST_SENTENCE)
    ]
    runs = [""]
    for sentence in sentences:
        if len(letters(runs[-1])) >= least:
            runs.append("")
        runs[-1] += sentence
    if len(runs) > 1 and len(letters(runs[-1])) < least:
        last = runs.pop()
        runs[-1] += last
    yield from runs
