"""Single answers that a reader should look at: disagreements about them, and the best and worst."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from gukbap.language import audit, disagreement
from gukbap.schemas import CATEGORIES, Judgement

#: points of 10 by which verdicts on one turn differ before it is worth a look
LEAST_WAVER = 3.0
#: answers listed of each kind
LISTED = 12
#: turns listed where tuned and base differ most
FLIPS = 6

Slot = tuple[int, int]


@dataclass(frozen=True)
class Finding:
    """One judged turn, and what is to be said of it."""

    subject: str
    strategy: str
    question_id: int
    category: str
    turn: int
    said: str

    @property
    def place(self) -> str:
        """Which turn of which model it is."""
        return f"{self.subject} {self.strategy}, question {self.question_id}, turn {self.turn}"


@dataclass(frozen=True)
class Example:
    """A judged answer with the words of its judge."""

    category: str
    #: "highest" or "lowest" of its category
    which: str
    judgement: Judgement
    #: mean of its verdicts, 0–10
    score: float


def against_language(judgements: Iterable[Judgement]) -> list[Finding]:
    """Where the language audit and the judge's score cannot both be right, the highest scores first."""
    found = []
    for one in judgements:
        said = disagreement(audit(one.question, one.answer), one.score, one.comment)
        if said:
            found.append((one.score or 0.0, _finding(one, said)))
    return [finding for _, finding in sorted(found, key=lambda pair: -pair[0])]


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings each subject and strategy has."""
    return dict(Counter(f"{one.subject} {one.strategy}" for one in findings).most_common())


def wavering(judgements: Sequence[Judgement]) -> list[Finding]:
    """Turns whose verdicts differ by LEAST_WAVER points or more, the widest first."""
    found = []
    for group in _by_turn(judgements).values():
        scores = [one.score for one in group if one.score is not None]
        if scores and max(scores) - min(scores) >= LEAST_WAVER:
            told = ", ".join(f"{score:g}" for score in scores)
            found.append((min(scores) - max(scores), _finding(group[0], f"verdicts on one answer: {told}")))
    return [finding for _, finding in sorted(found, key=lambda pair: pair[0])]


def flips(tuned: Sequence[Judgement], base: Sequence[Judgement]) -> list[Finding]:
    """The turns where tuned and base differ most under one strategy, the largest difference first."""
    left, right = _means(tuned), _means(base)
    first = {(one.strategy, one.slot): one for one in reversed(tuned)}
    gaps = [(left[key] - right[key], first[key]) for key in left if key in right and left[key] != right[key]]
    gaps.sort(key=lambda pair: (-abs(pair[0]), pair[1].strategy, pair[1].slot))
    return [
        _finding(
            one,
            f"{gap:+.1f}: tuned {left[one.strategy, one.slot]:g}, base {right[one.strategy, one.slot]:g}",
        )
        for gap, one in gaps[:FLIPS]
    ]


def examples(judgements: Sequence[Judgement]) -> list[Example]:
    """Of each category the answers with the highest and the lowest score; of equal ones the first asked.

    A category whose scored answers are all alike has one example.
    """
    return [example for category in CATEGORIES for example in _extremes(judgements, category)]


def _extremes(judgements: Sequence[Judgement], category: str) -> Iterator[Example]:
    turns = _by_turn(one for one in judgements if one.category == category and one.score is not None)
    scored = [(fmean(one.score or 0.0 for one in group), group[0]) for group in turns.values()]
    if not scored:
        return
    high = min(scored, key=lambda pair: (-pair[0], pair[1].slot))
    low = min(scored, key=lambda pair: (pair[0], pair[1].slot))
    yield Example(category, "highest", high[1], high[0])
    if low[1].slot != high[1].slot:
        yield Example(category, "lowest", low[1], low[0])


def _finding(one: Judgement, said: str) -> Finding:
    return Finding(one.subject, one.strategy, one.question_id, one.category, one.turn, said)


def _by_turn(judgements: Iterable[Judgement]) -> dict[tuple[str, str, Slot], list[Judgement]]:
    groups: dict[tuple[str, str, Slot], list[Judgement]] = defaultdict(list)
    for one in judgements:
        groups[one.subject, one.strategy, one.slot].append(one)
    return {key: sorted(group, key=lambda one: one.sample) for key, group in groups.items()}


def _means(judgements: Sequence[Judgement]) -> dict[tuple[str, Slot], float]:
    return {
        (strategy, slot): fmean(scores)
        for (_, strategy, slot), group in _by_turn(judgements).items()
        if (scores := [one.score for one in group if one.score is not None])
    }
