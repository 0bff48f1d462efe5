"""`gukbap run`: the whole DAG on this machine."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click

from gukbap.adapters.progress import open_progress
from gukbap.cli.kubeflow import connection_options
from gukbap.cli.options import json_option, overrides_option, runs_option
from gukbap.cli.preflight import check_inputs
from gukbap.cli.tracking import default_tracking_uri, registry_uri
from gukbap.config import Recipe, RetryConfig
from gukbap.errors import UsageError
from gukbap.files import read_json
from gukbap.handover import EXPERIMENT, TRACKING_URI
from gukbap.ports import Progress
from gukbap.recipes import load_recipe
from gukbap.runners.environment import stage_environment
from gukbap.runners.run_folder import RunFolder


@click.command()
@click.argument("recipe", required=False)
@overrides_option
@click.option(
    "--runner",
    type=click.Choice(["inprocess", "subprocess", "docker", "kfp"]),
    default="inprocess",
    show_default=True,
    help="One process for all steps; a process or a container for each, through kfp.local; or a cluster.",
)
@click.option("--run-id", help="Name the run; made of recipe and time by default.")
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with a stopped run and its own recipe; --set may change the budget alone.",
)
@runs_option
@connection_options
@json_option
def run(
    recipe: str | None,
    overrides: tuple[str, ...],
    runner: str,
    run_id: str | None,
    resume: str | None,
    runs: Path,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    """Run RECIPE (a name such as smoke or local, or a YAML file): generate, clean, dedup, split, train,
    infer, judge and report.

    With --runner kfp the pipeline is registered, one run of it is started and followed to its end; it
    leaves nothing in the folder of --runs.
    """
    if runner == "kfp":
        _on_cluster(recipe, overrides, run_id, resume, endpoint, token_file, namespace, as_json)
        return
    if endpoint or token_file or namespace:
        raise UsageError(f"--endpoint, --token-file and --namespace say nothing to --runner {runner}")
    start = time.monotonic()
    progress = open_progress()
    folder = _folder(recipe, overrides, run_id, resume, runs)
    with folder.locked():
        chosen = folder.recipe
        check_inputs(chosen)
        progress.say(f"run {folder.id} in {folder.path}")
        try:
            _run(folder, chosen, runner, progress)
        except BaseException:
            progress.say(f"what was made is kept; go on with: gukbap run --resume {folder.id}")
            raise
    _show_results(folder, as_json, time.monotonic() - start)


def _on_cluster(
    recipe: str | None,
    overrides: tuple[str, ...],
    run_id: str | None,
    resume: str | None,
    endpoint: str | None,
    token_file: Path | None,
    namespace: str | None,
    as_json: bool,
) -> None:
    from gukbap.cli.submit import run_on_cluster

    if recipe is None or resume is not None:
        raise UsageError(
            "--resume goes on with a run of this machine",
            expected="gukbap run RECIPE --runner kfp",
            fix="a failed run of a cluster goes on by Retry in its UI, with its own journals",
        )
    run_on_cluster(
        load_recipe(recipe, overrides),
        run_name=run_id,
        endpoint=endpoint,
        token_file=token_file,
        namespace=namespace,
        as_json=as_json,
    )


def _folder(
    recipe: str | None, overrides: tuple[str, ...], run_id: str | None, resume: str | None, runs: Path
) -> RunFolder:
    if resume is None:
        if recipe is None:
            raise UsageError("no recipe was named", expected="gukbap run RECIPE, or gukbap run --resume RUN")
        checked = load_recipe(recipe, overrides)
        check_inputs(checked)
        return RunFolder.create(runs, _weighed(checked, runs), run_id)
    folder = RunFolder.open(runs, resume)
    if run_id is not None:
        raise UsageError(f"--resume {resume} goes on with the run's own name", fix="leave --run-id out")
    if recipe is not None and load_recipe(recipe).name != folder.recipe.name:
        raise UsageError(f"run {resume} was started with the recipe {folder.recipe.name!r}, not {recipe!r}")
    if overrides:
        with folder.locked():
            folder.change_budget(overrides)
    return folder


def _weighed(recipe: Recipe, runs: Path) -> Recipe:
    """With the categories' weights as numbers, so that a resumed run goes on with the same ones."""
    from gukbap.workers.weakness import settle_weakness

    settled = settle_weakness(recipe, registry_uri(runs, recipe), open_progress())
    if settled.why:
        open_progress().say(f"categories: {settled.why}")
    return settled.recipe


def _run(folder: RunFolder, recipe: Recipe, runner: str, progress: Progress) -> None:
    from google.protobuf.json_format import MessageToDict

    from gukbap.adapters.stored_folders import upload_folder
    from gukbap.adapters.stores import open_store
    from gukbap.runners.dag import read_steps
    from gukbap.runners.docker import run_in_docker
    from gukbap.runners.inprocess import run_inprocess
    from gukbap.runners.subprocesses import run_subprocesses
    from pipelines.gukbap_pipeline import COMPONENTS, build_pipeline

    store = open_store(recipe.store)

    def upload() -> None:
        if store is not None:
            upload_folder(store, folder.path, folder.id, progress)

    # Another try at once: what a retry can mend on one machine (a killed process) needs no patience.
    once_more = RetryConfig(retries=1, backoff_seconds=0)
    pipeline = build_pipeline(recipe, on_cluster=False, retry=once_more)
    steps = read_steps(MessageToDict(pipeline.pipeline_spec), list(COMPONENTS))
    tracking = _tracking(folder, recipe)
    with stage_environment(folder, tracking):
        try:
            if runner == "inprocess":
                run_inprocess(steps, COMPONENTS, folder, progress, after_step=upload)
            elif runner == "docker":
                run_in_docker(pipeline, steps, folder, progress, tracking)
            else:
                run_subprocesses(pipeline, steps, folder, progress)
        finally:
            upload()


def _tracking(folder: RunFolder, recipe: Recipe) -> dict[str, str]:
    """The variables by which steps find the tracked run."""
    if not recipe.tracking.enabled:
        return {}
    uri = os.environ.get(TRACKING_URI) or recipe.tracking.uri or default_tracking_uri(folder.path.parent)
    return {TRACKING_URI: uri, EXPERIMENT: recipe.tracking.experiment}


def _summary(scores: dict[str, Any], training: dict[str, Any]) -> str:
    """The score table for a terminal, with what a reader must know before any number."""
    from gukbap.stages.report import SCRIPTED_BANNER, TEACHER_BANNER, text_table
    from gukbap.stages.scores import ScoreTable

    banners = {"scripted": SCRIPTED_BANNER, "judge_is_teacher": TEACHER_BANNER}
    lines = [text for flag, text in banners.items() if scores[flag]]
    lines.append(text_table(ScoreTable.model_validate(scores["table"])))
    return "\n".join(lines)


def _show_results(folder: RunFolder, as_json: bool, seconds: float) -> None:
    scores: dict[str, Any] = read_json(folder.path / "scores.json")
    if as_json:
        click.echo(
            json.dumps({"run": folder.id, "folder": str(folder.path), "scores": scores}, ensure_ascii=False)
        )
        return
    click.echo(_summary(scores, read_json(folder.place("train", "statistics"))))
    click.echo(f"report  {folder.path / 'report.html'}")
    click.echo(f"model   {folder.path / 'model'}")
    if folder.recipe.tracking.enabled and TRACKING_URI not in os.environ and not folder.recipe.tracking.uri:
        click.echo(f"mlflow  mlflow ui --backend-store-uri {default_tracking_uri(folder.path.parent)}")
    click.echo(f"took    {seconds / 60:.1f} minutes")
