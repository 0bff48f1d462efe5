"""Weak categories of the champion become weights and rounds of a run's recipe, before anything is paid."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gukbap.benchmarks.judged import read_judged
from gukbap.config import Recipe
from gukbap.errors import InputError
from gukbap.ports import Progress
from gukbap.schemas import SUBJECTS
from gukbap.stages.generate.weakness import CategoryNeed, category_needs
from gukbap.stages.scores import ScoreRow, ScoreTable, score_table
from gukbap.workers.fetched_files import local_file

TUNED = SUBJECTS[1]


@dataclass(frozen=True)
class SettledWeakness:
    """A recipe whose weights and rounds are numbers, and how they came about.

    Attributes:
        recipe: with `generate.weakness` off.
        why: one sentence; empty where the recipe asked for nothing.
        needs: of each category; empty where nothing is known of the champion.
    """

    recipe: Recipe
    why: str = ""
    needs: Sequence[CategoryNeed] = ()


def settle_weakness(recipe: Recipe, tracking_uri: str | None, progress: Progress) -> SettledWeakness:
    """Turn `generate.weakness` into numbers; a recipe without it comes back as it is.

    Without a champion, or without its judged answers, the shares are even, and that is said.

    Args:
        recipe: as it is to be run.
        tracking_uri: of the MLflow with the model registry; None: there is none.
        progress: where a download is shown.

    Raises:
        InputError: `generate.weakness.judgements` cannot be had, or holds no judgements of one model.
        StoreError: MLflow refuses or cannot be reached.
    """
    weakness = recipe.generate.weakness
    if not weakness.enabled:
        return SettledWeakness(recipe)
    found: ScoreRow | None
    if weakness.judgements is not None:
        judged = read_judged([Path(local_file(weakness.judgements, progress, "file of judgements"))])
        why = f"the scores of {weakness.judgements}, which decide nothing"
        table = score_table(judged.judgements)
        found = chosen_row(table, weakness.judgements, deciding=recipe.deciding_strategy)
    else:
        found, why = _champions_row(recipe, tracking_uri)
    needs = category_needs(found, weakness, recipe.generate.rounds) if found else []
    return SettledWeakness(with_needs(recipe, needs, why), why, needs)


def with_needs(recipe: Recipe, needs: Sequence[CategoryNeed], why: str) -> Recipe:
    """The recipe with its categories' weights and rounds as numbers; even ones are left out."""
    generate = recipe.generate
    changes = {
        **chosen_values(needs, rounds=generate.rounds, weighted=generate.seed_count is not None),
        "weakness": generate.weakness.model_copy(update={"enabled": False, "settled_by": why}),
    }
    return recipe.model_copy(update={"generate": generate.model_copy(update=changes)})


def chosen_values(
    needs: Sequence[CategoryNeed], *, rounds: int, weighted: bool
) -> dict[str, dict[str, float] | dict[str, int]]:
    """What of `generate` the needs come to: the keys that differ from even shares and `rounds`.

    Args:
        needs: of the categories.
        rounds: of a category that is not weak.
        weighted: seeds are drawn, so that they can be shared out.
    """
    weights = {need.category: need.weight for need in needs if need.weight != 1} if weighted else {}
    more = {need.category: need.rounds for need in needs if need.rounds != rounds}
    return {"category_weights": weights, "category_rounds": more}


def weakness_lines(needs: Sequence[CategoryNeed]) -> list[list[str]]:
    """A line a category: its name, score, standard error, shrunk score, weight and rounds."""
    return [
        [need.category, *map(_shown, (need.score, need.error, need.shrunk, need.weight)), str(need.rounds)]
        for need in needs
    ]


#: what the columns of `weakness_lines` hold
WEAKNESS_HEADER = ["category", "score", "error", "shrunk", "weight", "rounds"]


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _champions_row(recipe: Recipe, tracking_uri: str | None) -> tuple[ScoreRow | None, str]:
    from gukbap.adapters.mlflow_champion import fetch_champion

    settings = recipe.promote_settings()
    model, strategy = settings.registered_model, settings.promote.strategy
    if tracking_uri is None:
        return None, "even shares: there is no MLflow with a model registry"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "judgements.jsonl"
        champion = fetch_champion(tracking_uri, model, file)
        if champion is None:
            return None, f"even shares: {model} has no champion yet"
        judged = read_judged([file]).judgements if champion.judged else []
    fitting = [one for one in judged if (one.subject, one.strategy) == (TUNED, strategy)]
    name = f"the champion, {model} version {champion.version}"
    if not fitting:
        return None, f"even shares: {name}, has no recorded judgements under the strategy {strategy}"
    return (
        score_table(fitting).rows[0],
        f"the scores of {name}, under the strategy {strategy}, on the questions that decide its promotion",
    )


def chosen_row(
    table: ScoreTable, where: str, *, deciding: str, subject: str | None = None, strategy: str | None = None
) -> ScoreRow:
    """The one row of a table that is meant.

    Args:
        table: of any number of models and strategies.
        where: it comes from, for the error.
        deciding: the strategy that is taken where there are several and none is named.
        subject: None: the tuned student where there are several.
        strategy: None: the only one, or `deciding`.

    Raises:
        InputError: there is none such, or more than one.
    """
    if subject is None and len({row.subject for row in table.rows}) > 1:
        subject = TUNED
    if strategy is None and len({row.strategy for row in table.rows}) > 1:
        strategy = deciding
    found = [row for row in table.rows if subject in (None, row.subject) and strategy in (None, row.strategy)]
    if len(found) != 1:
        there = ", ".join(f"{row.subject} {row.strategy}" for row in table.rows) or "no scores"
        raise InputError(
            f"{where} holds {there}",
            expected=f"one row of {subject or 'a model'} {strategy or 'under one strategy'}",
            fix="say which with --subject and --strategy, or give a file with one model and strategy",
        )
    return found[0]
