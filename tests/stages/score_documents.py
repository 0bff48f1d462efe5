"""Made-up judgements, and contents of scores.json that the report stage computes from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gukbap.recipes import load_recipe
from gukbap.schemas import SUBJECTS, Judgement, Strategy, Subject
from gukbap.stages.report import build_facts, scores_document
from gukbap.stages.report.evaluation import evaluate
from tests.judgements import judgement


def judged(
    gains: Sequence[float],
    *,
    subjects: Sequence[Subject] = SUBJECTS,
    strategy: Strategy = "default",
    unscored: int = 0,
    level: float = 5.0,
    **values: Any,
) -> list[Judgement]:
    """Judgements of a run whose tuned student gains so many points on each question, from `level`.

    The first `unscored` turns of the tuned student have no score.
    """
    judgements = []
    for subject in subjects:
        for question, gain in enumerate(gains):
            for turn in (1, 2):
                score = level + (gain if subject == "tuned" else 0.0)
                absent = subject == "tuned" and question * 2 + turn <= unscored
                judgements.append(
                    judgement(question, turn, None if absent else score, subject, strategy, **values)
                )
    return judgements


def document(
    gains: Sequence[float],
    *,
    recipe: str = "local",
    subjects: Sequence[Subject] = SUBJECTS,
    strategy: Strategy = "default",
    unscored: int = 0,
) -> dict[str, Any]:
    """The document of a run with the judgements of `judged`."""
    judgements = judged(gains, subjects=subjects, strategy=strategy, unscored=unscored)
    facts = build_facts(load_recipe(recipe), statistics={})
    return scores_document(facts, evaluate(facts, judgements, []))
