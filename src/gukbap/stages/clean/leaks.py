"""Decontamination: rows that hold an evaluation text, verbatim or in other words.

Three measures of how much of an evaluation text a row holds, each 0–1 and relative to the evaluation text,
so that a row may hold much besides it:

- overlap: the share of its letters that stand in a character 5-gram which the row holds, too;
- edit: 1 − its least Levenshtein distance to any substring of the row, divided by its length;
- clauses: the same clause by clause, so that their order does not matter.

All of them compare letters alone, with numbers as values (`letters`, `numbers`). A long text is looked for in
passages: a row that holds one of them holds a part of the test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from gukbap.schemas import EvaluationText, Leak, LeakMeasure, Row
from gukbap.stages.clean.alignment import substring_distance
from gukbap.stages.clean.index import GramIndex
from gukbap.stages.clean.letters import clauses, letters, passages
from gukbap.stages.clean.numbers import numbers_in_digits

OVERLAP_LETTERS: Final = 5
#: A shorter text ("B", "7/15", "유효하다.") stands in innocent rows.
MIN_LETTERS: Final = 10
#: Texts of more letters than the second are looked for in passages of at least the first.
MIN_PASSAGE, LONGEST_WHOLE = 60, 150
#: What a text speaks of: nouns that a particle tells, and numbers in digits. Where fewer than half of them
#: are in a row, the row has the same wording about something else. Of a single one that cannot be said.
MIN_ANCHORS, MIN_SHARED_ANCHORS = 2, 0.5

_NOUN = re.compile(
    r"(?<![^\W\d_])([^\W\d_]{2,}?)(?:을|를|은|는|이|가|의|에|와|과|에서|에게|으로|로|도|이나|만)(?![^\W\d_])"
)
# Windows overlap by more than a passage is long, so that one of them holds it whole.
_WINDOW_LETTERS, _WINDOW_STEP = 640, 320
# Bounds on what is held at once; results do not depend on them.
_LETTERS_AT_ONCE, _WINDOWS_AT_ONCE = 500_000, 4_000


@dataclass(frozen=True)
class Passage:
    """An evaluation text, or a part of a long one, ready for comparison."""

    text_id: str
    letters: str
    clauses: tuple[str, ...]
    anchors: frozenset[str]

    @cached_property
    def grams(self) -> list[str]:
        """Its 5-grams, by the place where they begin."""
        return _grams(self.letters)


class Decontaminator:
    """Finds evaluation texts in rows; what is found in a row does not depend on other rows."""

    def __init__(self, texts: Iterable[EvaluationText], similarity: float) -> None:
        """Prepare evaluation texts.

        Args:
            texts: prompts, references and few-shot examples; equal ones are compared once.
            similarity: the measure from which a row counts as holding a text, 0–1.
        """
        self._similarity = similarity
        known: dict[str, Passage] = {}
        self.texts = self.too_short = 0
        for text in sorted(texts, key=lambda one: one.id):
            self.texts += 1
            found = [passage for passage in _passages(text) if len(passage.letters) >= MIN_LETTERS]
            self.too_short += not found
            for passage in found:
                known.setdefault(passage.letters, passage)
        self.passages = list(known.values())
        self._index = GramIndex([passage.letters for passage in self.passages])

    def leaks(self, rows: Iterable[Row]) -> Iterator[Leak | None]:
        """For each row the evaluation text that it holds most of, or None."""
        for batch in _batches(rows):
            best: list[Leak | None] = [None] * len(batch.rows)
            for window, text in self._index.candidates(batch.windows):
                row, message = batch.places[window]
                leak = self._verify(self.passages[text], batch.windows[window], message)
                current = best[row]
                if leak is not None and (current is None or leak.score > current.score):
                    best[row] = leak
            yield from best

    def _verify(self, passage: Passage, window: str, message: int) -> Leak | None:
        if len(passage.anchors) >= MIN_ANCHORS:
            shared = sum(anchor in window for anchor in passage.anchors)
            if shared < MIN_SHARED_ANCHORS * len(passage.anchors):
                return None
        scores: dict[LeakMeasure, float] = {
            "overlap": _overlap(passage, window),
            "edit": _edit([passage.letters], window),
            "clauses": _edit(passage.clauses, window),
        }
        measure = max(scores, key=lambda name: scores[name])
        if scores[measure] < self._similarity:
            return None
        rounded = {name: round(score, 4) for name, score in scores.items()}
        return Leak(text_id=passage.text_id, message=message, measure=measure, **rounded)


def _passages(text: EvaluationText) -> Iterator[Passage]:
    for part in passages(text.text, MIN_PASSAGE, LONGEST_WHOLE):
        yield Passage(text.id, letters(part), tuple(clauses(part)), _anchors(part))


def _anchors(text: str) -> frozenset[str]:
    nouns = map(letters, _NOUN.findall(text))
    return numbers_in_digits(text).union(filter(None, nouns))


def _overlap(passage: Passage, window: str) -> float:
    held = set(_grams(window))
    covered, end = 0, 0
    for start, gram in enumerate(passage.grams):
        if gram in held:
            covered += start + OVERLAP_LETTERS - max(start, end)
            end = start + OVERLAP_LETTERS
    return covered / len(passage.letters)


def _edit(pieces: Sequence[str], window: str) -> float:
    return 1 - sum(substring_distance(piece, window) for piece in pieces) / sum(map(len, pieces))


def _grams(text: str) -> list[str]:
    return [text[start : start + OVERLAP_LETTERS] for start in range(len(text) - OVERLAP_LETTERS + 1)]


@dataclass
class _Batch:
    rows: list[Row]
    windows: list[str]
    #: of each window: number of its row in the batch, number of its message in the row, from 1
    places: list[tuple[int, int]]
    letters: int = 0


def _batches(rows: Iterable[Row]) -> Iterator[_Batch]:
    batch = _Batch([], [], [])
    for row in rows:
        for number, message in enumerate(row.messages, start=1):
            for window in _windows(letters(message.content)):
                batch.windows.append(window)
                batch.places.append((len(batch.rows), number))
                batch.letters += len(window)
        batch.rows.append(row)
        if batch.letters >= _LETTERS_AT_ONCE or len(batch.windows) >= _WINDOWS_AT_ONCE:
            yield batch
            batch = _Batch([], [], [])
    yield batch


def _windows(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text) - (_WINDOW_LETTERS - _WINDOW_STEP)), _WINDOW_STEP):
        if window := text[start : start + _WINDOW_LETTERS]:
            yield window
