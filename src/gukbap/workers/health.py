"""A run beside the last finished run of the same recipe: found in the tracker, told in the report."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gukbap.config import Recipe
from gukbap.errors import GukbapError
from gukbap.files import read_jsonl, write_json, write_jsonl
from gukbap.schemas import Judgement
from gukbap.stages.health import JUDGE_DRIFT, Drift, Health, health, judge_drift
from gukbap.workers import context

if TYPE_CHECKING:
    from gukbap.adapters.mlflow_runs import TrackedRun
    from gukbap.adapters.mlflow_tracker import MlflowTracker

#: where the answers that are judged again in every run lie among a run's artifacts, with their first scores
FOLDER, ANSWERS = "health", "judged.jsonl"
HEALTH_TAG = "gukbap.health"


def find_health(
    recipe: Recipe, parent: MlflowTracker, now: Mapping[str, float], judgements: Sequence[Judgement]
) -> Health | None:
    """Compare a run with the last one; None for the first of its recipe.

    With `health.judge_answers` a fixed set of answers is judged again without the judge's cache: that of
    the last run, whose scores are those of when the set was begun, or this run's first ones.

    Args:
        recipe: as it is run.
        parent: the tracked run.
        now: its flat numbers.
        judgements: its own.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    from gukbap.adapters.mlflow_runs import last_finished

    last = last_finished(parent.client, parent.uri, parent.experiment_id, recipe.name, parent.run_id)
    stored = _stored(parent, last) if last and recipe.health.judge_answers else []
    if recipe.health.judge_answers:
        _keep(parent, stored or _fixed_set(recipe, judgements))
    if last is None:
        return None
    found = health(recipe.health, last.name, last.metrics, now)
    if stored:
        found = found.model_copy(update={"drifts": [_judged_again(recipe, stored), *found.drifts]})
    return found


def record_health(parent: MlflowTracker, found: Health) -> None:
    """Put the comparison on the run: the tag names the step changes, the artifact has all numbers."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "health.json"
        write_json(file, found.model_dump(mode="json"))
        parent.file(file, FOLDER)
    names = ", ".join(one.name for one in found.flagged)
    parent.tags({HEALTH_TAG: f"changed by a step: {names}" if names else "steady"})


def _fixed_set(recipe: Recipe, judgements: Sequence[Judgement]) -> list[Judgement]:
    """The first answers, as many as are asked for, both turns of each, each with its first verdict."""
    fitting = [
        one
        for one in judgements
        if (one.subject, one.strategy, one.sample) == ("tuned", recipe.deciding_strategy, 1)
    ]
    questions = sorted({one.question_id for one in fitting})[: recipe.health.judge_answers]
    return [one for one in fitting if one.question_id in questions]


def _keep(parent: MlflowTracker, answers: Sequence[Judgement]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / ANSWERS
        write_jsonl(file, answers)
        parent.file(file, FOLDER)


def _stored(parent: MlflowTracker, last: TrackedRun) -> list[Judgement]:
    from gukbap.adapters.mlflow_errors import explained

    path = f"{FOLDER}/{ANSWERS}"
    with explained(parent.uri), tempfile.TemporaryDirectory() as folder:
        if all(one.path != path for one in parent.client.list_artifacts(last.run_id, FOLDER)):
            return []
        file = Path(parent.client.download_artifacts(last.run_id, path, folder))
        return read_jsonl(file, Judgement, allow_empty=True)


def _judged_again(recipe: Recipe, stored: Sequence[Judgement]) -> Drift:
    """The judge then and now; without a number where the answers cannot be judged any more."""
    from gukbap.workers.rejudge import judge_again

    settings = recipe.rejudge_settings()
    once = settings.judge.model_copy(update={"cache": False, "judgements": 1})
    try:
        found = judge_drift(
            recipe.health, stored, judge_again(settings.model_copy(update={"judge": once}), stored)
        )
    except GukbapError as error:
        context.progress().say(f"judge drift is not known: {error.problem}")
        found = None
    return found or Drift(name=JUDGE_DRIFT, kind="judge", before=None, now=None, limit=None, flagged=False)
