"""`gukbap card`: the model card of a finished run, from the run's files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.errors import InputError
from gukbap.files import read_json, read_jsonl, write_text
from gukbap.schemas import SUBJECTS, Judgement, Row

if TYPE_CHECKING:
    from gukbap.runners.run_folder import RunFolder
    from gukbap.stages.report import RunFacts


@click.command()
@click.argument("run")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File instead of stdout."
)
@click.option(
    "--runs",
    type=click.Path(path_type=Path, file_okay=False),
    default="runs",
    show_default=True,
    help="Folder of the runs.",
)
def card(run: str, output: Path | None, runs: Path) -> None:
    """Write the model card of RUN, a run's id or its folder."""
    from gukbap.runners.run_folder import RunFolder

    path = Path(run)
    text = card_of(RunFolder.open(runs, str(path.resolve()) if (path / "recipe.json").exists() else run))
    if output:
        write_text(output, text)
        click.echo(f"written to {output}", err=True)
    else:
        click.echo(text, nl=False)


def card_of(folder: RunFolder) -> str:
    """The model card, from the files of a finished run.

    Raises:
        InputError: the run lacks files that the card tells of.
    """
    from gukbap.stages.report import build_facts, report

    recipe = folder.recipe
    judged = [
        (subject, strategy, f"judge-{subject}-{strategy}")
        for subject in SUBJECTS
        for strategy in recipe.infer.strategies
    ]
    statistics = {step: folder.place(step, "statistics") for step in ("generate", "dedup", "split", "train")}
    statistics |= {f"infer {subject}": folder.place(f"infer-{subject}", "statistics") for subject in SUBJECTS}
    statistics |= {
        f"judge {subject} {strategy}": folder.place(step, "statistics") for subject, strategy, step in judged
    }
    judgements = [folder.place(step, "judgements") for _, _, step in judged]
    rows = folder.place("split", "train")
    scores = folder.place("report", "scores")
    _check(folder, [*statistics.values(), *judgements, rows, scores])
    facts = build_facts(
        recipe,
        statistics={step: read_json(path) for step, path in statistics.items()},
        rows=list(read_jsonl(rows, Row)),
    )
    records = [record for path in judgements for record in read_jsonl(path, Judgement, allow_empty=True)]
    # The report step writes the same card; there is one template for both.
    with tempfile.TemporaryDirectory() as written:
        report(_as_recorded(_with_licences(facts), read_json(scores)), records, Path(written))
        return (Path(written) / "model_card.md").read_text(encoding="utf-8")


def _check(folder: RunFolder, needed: list[Path]) -> None:
    missing = [str(path.relative_to(folder.path)) for path in needed if not path.exists()]
    if missing:
        raise InputError(
            f"run {folder.id} is not finished: it lacks {', '.join(missing)}",
            expected="a run whose steps have all ended",
            fix=f"finish it: gukbap run --resume {folder.id}",
        )


def _with_licences(facts: RunFacts) -> RunFacts:
    """The facts with the catalogue's licences, where no other is known."""
    from gukbap.adapters.model_catalogue import load_catalogue

    known: dict[str, Any] = {f"bundled://{name}": entry.license for name, entry in load_catalogue().items()}
    models = [
        model.model_copy(update={"licence": model.licence or known.get(model.model)})
        for model in facts.models
    ]
    return facts.model_copy(update={"models": models})


def _as_recorded(facts: RunFacts, scores: dict[str, Any]) -> RunFacts:
    """The facts with the hash and version that made the run: a later version may hash a recipe otherwise."""
    recorded = {"recipe_hash": scores["recipe"]["hash"], "package_version": scores["package_version"]}
    return facts.model_copy(update=recorded)
