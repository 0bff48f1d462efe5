"""Contents of scores.json, computed by the report stage from made-up judgements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gukbap.recipes import load_recipe
from gukbap.schemas import SUBJECTS, Strategy, Subject
from gukbap.stages.report import build_facts, scores_document
from gukbap.stages.report.evaluation import evaluate
from tests.judgements import judgement


def document(
    gains: Sequence[float],
    *,
    recipe: str = "local",
    subjects: Sequence[Subject] = SUBJECTS,
    strategy: Strategy = "default",
    unscored: int = 0,
) -> dict[str, Any]:
    """The document of a run whose tuned student gains so many points on each question, from 5.

    The first `unscored` turns of the tuned student have no score.
    """
    judgements = []
    for subject in subjects:
        for question, gain in enumerate(gains):
            for turn in (1, 2):
                score = 5.0 + (gain if subject == "tuned" else 0.0)
                absent = subject == "tuned" and question * 2 + turn <= unscored
                judgements.append(judgement(question, turn, None if absent else score, subject, strategy))
    facts = build_facts(load_recipe(recipe), statistics={})
    return scores_document(facts, evaluate(facts, judgements, []))
