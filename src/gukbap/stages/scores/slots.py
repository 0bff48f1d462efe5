"""Judgements of one model under one strategy as a grid of questions and turns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gukbap.errors import InputError
from gukbap.schemas import Judgement
from gukbap.stages.scores.resampling import Floats

TURNS = (1, 2)


@dataclass(frozen=True)
class Slots:
    """What was judged of n questions, each in two turns.

    A slot is one turn of one question. Its score is the mean of its verdicts, NaN without one.
    """

    judge: str
    #: n ids in ascending order, and each one's category
    questions: list[int]
    categories: list[str]
    #: [n, 2]
    scores: Floats
    #: [n, 2] variance of a slot's verdicts divided by their number; NaN with fewer than two
    noise: Floats

    def where(self, category: str) -> Floats:
        """The scores of one category, [questions of the category, 2]."""
        return self.scores[[found == category for found in self.categories]]


def slots(group: Sequence[Judgement]) -> Slots:
    """The grid of judgements of one subject and strategy.

    Raises:
        InputError: a turn is judged twice by the same sample, or two judges are mixed.
    """
    where = f"{group[0].subject} {group[0].strategy}"
    judges = sorted({judgement.judge for judgement in group})
    if len(judges) > 1:
        raise InputError(f"{where}: scores of {' and '.join(judges)} together", expected="one judge a row")
    verdicts: dict[tuple[int, int], list[float]] = defaultdict(list)
    seen = set()
    for judgement in group:
        key = (*judgement.slot, judgement.sample)
        if key in seen:
            raise InputError(
                f"{where}: question {judgement.question_id}, turn {judgement.turn} is judged twice",
                expected="each turn once in all files of one model and strategy",
                fix="leave the second file out; several verdicts on a turn are told apart by `sample`",
            )
        seen.add(key)
        if judgement.score is not None:
            verdicts[judgement.slot].append(judgement.score)
    categories = {judgement.question_id: judgement.category for judgement in group}
    questions = sorted(categories)
    grid = [[verdicts[question, turn] for turn in TURNS] for question in questions]
    return Slots(
        judge=judges[0],
        questions=questions,
        categories=[categories[question] for question in questions],
        scores=np.array([[np.mean(cell) if cell else np.nan for cell in line] for line in grid]),
        noise=np.array(
            [
                [np.var(cell, ddof=1) / len(cell) if len(cell) > 1 else np.nan for cell in line]
                for line in grid
            ]
        ),
    )
