"""The first step of a run: check what the form says, settle every step's settings, open the run.

Nothing is paid for before all of it is known to be right.
"""

from __future__ import annotations

import os
from collections import namedtuple
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.config import Recipe, StageSettings, settings_text
from gukbap.errors import ConfigError, GukbapError
from gukbap.files import write_text
from gukbap.form import ALWAYS, REUSE, apply_form, fields_of, value_at
from gukbap.handover import MLFLOW_RUN, POD_NAME, RUN_ID, TRACKING_URI
from gukbap.schemas import STRATEGIES, SUBJECTS
from gukbap.workers.context import Outcome, leaving_errors, progress, shared_folder
from gukbap.workers.data_versions import pin_base
from gukbap.workers.editions import Ledger, Planned, plan_editions
from gukbap.workers.outputs import LEDGER
from gukbap.workers.weakness import WEAKNESS_HEADER, SettledWeakness, settle_weakness, weakness_lines


@dataclass(frozen=True)
class Prepared:
    """The recipe as it is run, and the text of every step's settings ("" for a step that is left out)."""

    outcome: Outcome
    recipe: Recipe
    settings: dict[str, str]

    def parameters(self) -> Any:
        """The output parameters of the prepare step, as a named tuple."""
        named = {step.replace("-", "_"): text for step, text in self.settings.items()}
        values = {
            **dict.fromkeys(_LEAVABLE, ""),
            **named,
            "recipe": settings_text(self.recipe),
            "promote": settings_text(self.recipe.promote_settings()),
            "train_gpus": str(self.recipe.cluster.train.gpus),
            "infer_gpus": str(self.recipe.cluster.infer.gpus),
        }
        return namedtuple("Prepared", values)(**values)


@leaving_errors
def run_prepare(
    recipe: Recipe,
    *,
    form: Mapping[str, Any],
    freshness: str,
    images: Mapping[str, str],
    summary: Path,
) -> Prepared:
    """Check and settle a run.

    Args:
        recipe: as it was compiled.
        form: the form's values by field.
        freshness: `reuse` takes unchanged steps from the cache, `always` generates new data.
        images: the images that the steps run in, for the run's tags.
        summary: where the plan is written, as Markdown.

    Raises:
        ConfigError: a value of the form is not allowed.
        InputError: the data set has no version of the name that is asked for.
        StoreError: the champion's scores are asked for, and MLflow refuses or cannot be reached.
    """
    filled = apply_form(recipe, form)
    absent = [strategy for strategy in filled.infer.strategies if strategy not in recipe.infer.strategies]
    if absent:
        raise ConfigError(
            f"strategies {', '.join(absent)} are not in this pipeline",
            expected=f"some of {', '.join(recipe.infer.strategies)}",
            fix="compile a recipe that has them: gukbap apply RECIPE --set infer.strategies=[…]",
        )
    if freshness not in (REUSE, ALWAYS):
        raise ConfigError(f"freshness is {freshness!r}", expected=f"{REUSE} or {ALWAYS}")
    weighed = settle_weakness(pin_base(filled), os.environ.get(TRACKING_URI), progress())
    settled = weighed.recipe
    # What grows looks for new seeds in each run; where there are none, it costs nothing.
    anew = freshness == ALWAYS or settled.data.store is not None
    planned = _plan(settled, fresh=["generate"] if anew else [])
    settings = {
        step: settings_text(values.model_copy(update={"edition": planned[step].edition}))
        for step, values in step_settings(settled).items()
    }
    settings |= {step: "" for step in step_settings(recipe) if step not in settings}
    write_text(summary, _summary(recipe, weighed, planned))
    counts = {verdict: sum(p.verdict == verdict for p in planned.values()) for verdict in _WORDS}
    outcome = Outcome({"steps": {"total": len(planned), **counts}}, {"recipe_sha256": settled.hash})
    _open_run(settled, images)
    _close_ended_runs(settled)
    return Prepared(outcome, settled, settings)


def step_settings(recipe: Recipe) -> dict[str, StageSettings]:
    """The settings of every step whose work can be reused, producers first."""
    settings: dict[str, StageSettings] = {
        "generate": recipe.generate_settings(),
        "clean": recipe.clean_settings(),
        "dedup": recipe.dedup_settings(),
        "split": recipe.split_settings(),
        "train": recipe.train_settings(),
    }
    for subject in recipe.infer.subjects:
        judged = [recipe.judge_settings(subject, strategy) for strategy in recipe.infer.strategies]
        settings |= {values.step: values for values in (recipe.infer_settings(subject), *judged)}
    return settings


#: outputs that are empty where a recipe leaves the step out
_LEAVABLE = [
    *(f"infer_{subject}" for subject in SUBJECTS),
    *(f"judge_{subject}_{strategy}".replace("-", "_") for subject in SUBJECTS for strategy in STRATEGIES),
]

#: step → the steps whose artifacts it reads (the pipeline's edges; a test compares them)
NEEDS: Mapping[str, tuple[str, ...]] = {
    "generate": (),
    "clean": ("generate",),
    "dedup": ("clean", "generate"),
    "split": ("dedup",),
    "train": ("split",),
    **{f"infer-{subject}": ("train",) if subject == "tuned" else () for subject in SUBJECTS},
    **{
        f"judge-{subject}-{strategy}": (f"infer-{subject}",)
        for subject in SUBJECTS
        for strategy in STRATEGIES
    },
}


def _plan(recipe: Recipe, fresh: list[str]) -> dict[str, Planned]:
    """Editions, where they can matter: with a claim that keeps the ledger, or for data made anew."""
    shared = shared_folder()
    settings = step_settings(recipe)
    if shared is None and not fresh:
        return {step: Planned("", "new") for step in settings}
    return plan_editions(
        settings,
        NEEDS,
        run_id=os.environ.get(RUN_ID, "unnamed"),
        fresh=fresh,
        ledger=Ledger(shared / LEDGER) if shared else None,
        is_there=lambda uri: _is_there(uri, recipe),
    )


def _is_there(uri: str, recipe: Recipe) -> bool:
    from gukbap.adapters.stores import artifact_is_there

    try:
        return artifact_is_there(uri, recipe.store)
    except GukbapError as error:
        # To pay for a data set again because a key is missing would be the worse mistake.
        progress().say(f"cannot look for {uri}, so it is taken to be there: {error.problem}")
        return True


def _open_run(recipe: Recipe, images: Mapping[str, str]) -> None:
    """Open the tracker's parent run before steps start side by side."""
    from gukbap.adapters.mlflow_tags import parent_tags
    from gukbap.adapters.mlflow_tracker import MlflowTracker, parent_from_environment
    from gukbap.adapters.mlflow_view import prepare_view

    parent = parent_from_environment(experiment=recipe.tracking.experiment)
    parent.params(recipe.model_dump(mode="json"))
    parent.tags(parent_tags(recipe, os.environ.get(RUN_ID, ""), images))
    if isinstance(parent, MlflowTracker):
        prepare_view(parent.client, parent.uri, parent.experiment_id)


def _close_ended_runs(recipe: Recipe) -> None:
    """In a pod: close what an earlier run left open because a person ended it."""
    uri = os.environ.get(TRACKING_URI)
    if not uri or MLFLOW_RUN in os.environ or POD_NAME not in os.environ:
        return
    from gukbap.adapters.kfp import connect
    from gukbap.workers.ended_runs import close_ended_runs

    try:
        closed = close_ended_runs(connect(), recipe.tracking.experiment, uri)
    except GukbapError as error:
        progress().say(f"runs that a person ended are not looked for: {error.problem}")
        return
    for run_id, status in closed.items():
        progress().say(f"the tracked run of {run_id} was left open; closed as {status}")


_WORDS = {
    "new": "runs: never made with these inputs",
    "known": "may be reused: made before, and its artifacts are there",
    "gone": "runs again: an artifact made before is gone from the store",
    "fresh": "runs: new data was asked for",
}


def _summary(recipe: Recipe, weighed: SettledWeakness, planned: Mapping[str, Planned]) -> str:
    settled = weighed.recipe
    lines = [f"# {settled.name}", "", f"Recipe hash `{settled.hash}`", ""]
    if settled.data_source is not None:
        where = f"goes on with version `{settled.data.base}`" if settled.data.base else "begins anew"
        lines += [f"The data set {settled.data_source.name} {where}.", ""]
    changed = [
        (field.name, value_at(recipe, field), value_at(settled, field))
        for field in fields_of(recipe)
        if value_at(recipe, field) != value_at(settled, field)
    ]
    if changed:
        lines += ["| changed in the form | from | to |", "| --- | --- | --- |"]
        lines += [f"| {name} | {old} | {new} |" for name, old, new in changed]
        lines.append("")
    if weighed.why:
        lines += [f"Categories: {weighed.why}.", ""]
    if weighed.needs:
        lines += [_table_line(WEAKNESS_HEADER), _table_line(["---"] * len(WEAKNESS_HEADER))]
        lines += [*map(_table_line, weakness_lines(weighed.needs)), ""]
    lines += ["| step | plan |", "| --- | --- |"]
    lines += [f"| {step} | {_WORDS[plan.verdict]} |" for step, plan in planned.items()]
    return "\n".join(lines) + "\n"


def _table_line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
