"""`gukbap card`: the model card of a finished run, from the run's files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.cli.options import judged_path, runs_option
from gukbap.errors import InputError

if TYPE_CHECKING:
    from gukbap.runners.run_folder import RunFolder

#: What a card is called beside a model; it is no part of the model whose hash it states.
CARD_NAME = "README.md"
_STEPS = ("generate", "clean", "dedup", "split", "train")


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File instead of stdout."
)
@click.option(
    "--baseline",
    "baselines",
    type=judged_path,
    multiple=True,
    help="Judged answers of another model, shown beside the run's. May be given several times.",
)
@runs_option
def card(run: str, output: Path | None, baselines: tuple[Path, ...], runs: Path) -> None:
    """Write the Hugging Face model card of RUN, a finished run's id or its folder.

    Every number is read from the run's files. With `-o RUN/model/README.md` it lies where the hub
    looks for it.
    """
    from gukbap.files import write_text
    from gukbap.runners.run_folder import RunFolder

    path = Path(run)
    folder = RunFolder.open(runs, str(path.resolve()) if (path / "recipe.json").exists() else run)
    text = card_of(folder, baselines)
    if output:
        write_text(output, text)
        click.echo(f"written to {output}", err=True)
    else:
        click.echo(text, nl=False)


def card_of(folder: RunFolder, baselines: Sequence[Path] = ()) -> str:
    """The model card of a finished run; the report step writes the same one.

    Args:
        folder: the run's.
        baselines: judged files of other models, besides those of the run's recipe.

    Raises:
        InputError: the run lacks files that the card tells of.
    """
    from gukbap.adapters.progress import open_progress
    from gukbap.config import BaselineConfig
    from gukbap.files import folder_fingerprint, read_json
    from gukbap.stages.report import model_card
    from gukbap.workers.report import read_report_inputs

    recipe = folder.recipe
    judgements = [
        folder.place(f"judge-{subject}-{strategy}", "judgements")
        for subject in recipe.infer.subjects
        for strategy in recipe.infer.strategies
    ]
    steps = [*_STEPS, *(f"infer-{subject}" for subject in recipe.infer.subjects)]
    statistics = {step: folder.place(step, "statistics") for step in steps}
    rows, model = folder.place("split", "train"), folder.place("train", "model")
    scores = folder.place("report", "scores")
    _check(folder, [*statistics.values(), *judgements, rows, model, scores])
    found = read_report_inputs(
        recipe,
        judgements=judgements,
        statistics=statistics,
        rows=rows,
        model_sha256=folder_fingerprint(model, without=[CARD_NAME]),
        baselines=[BaselineConfig(path=str(path)) for path in baselines],
        progress=open_progress(),
    )
    made = read_json(scores)
    # A later version of the package may hash a recipe otherwise: what made the run is told.
    recorded = {"recipe_hash": made["recipe"]["hash"], "package_version": made["package_version"]}
    return model_card(found.facts.model_copy(update=recorded), found.judgements, found.baselines)


def _check(folder: RunFolder, needed: Sequence[Path]) -> None:
    missing = [str(path.relative_to(folder.path)) for path in needed if not path.exists()]
    if missing:
        raise InputError(
            f"run {folder.id} is not finished: it lacks {', '.join(missing)}",
            expected="a run whose steps have all ended",
            fix=f"finish it: gukbap run --resume {folder.id} --runs {folder.path.parent}",
        )
