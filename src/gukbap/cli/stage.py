"""`gukbap stage`: one stage on files, with the settings of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gukbap.cli.options import judged_path, overrides_option
from gukbap.config import DataConfig, Recipe
from gukbap.errors import InputError, UsageError
from gukbap.handover import WORK_DIR
from gukbap.recipes import load_recipe
from gukbap.schemas import STRATEGIES, SUBJECTS, Strategy, Subject

recipe_option = click.option(
    "--recipe", default="local", show_default=True, help="Recipe whose settings are used."
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for what the stage writes; its journal lies there too, so that a stopped stage goes on.",
)
_file = click.Path(path_type=Path)


@click.group()
def stage() -> None:
    """Run one stage on files. Each writes into the folder OUTPUT and prints its statistics there."""


def _prepare(recipe: str, overrides: tuple[str, ...], output: Path, *inputs: Path) -> Recipe:
    import os

    checked = load_recipe(recipe, overrides)
    for path in inputs:
        if not path.exists():
            raise InputError(f"there is no file {path}", fix="check the path")
    os.environ.setdefault(WORK_DIR, str((output / "work").resolve()))
    # Which version a growing data set stands at is settled by a run's first step.
    return checked.model_copy(update={"data": DataConfig()})


def _tell(output: Path, outcome: Any) -> None:
    rows = outcome.metadata.get("rows")
    counted = f"{rows} rows, " if rows is not None else ""
    click.echo(f"{counted}written to {output}", err=True)


@stage.command()
@recipe_option
@overrides_option
@output_option
@click.option("--seeds", type=_file, help="A file of seeds (.jsonl, .csv, .txt); the recipe's by default.")
@click.option(
    "--batch-requests",
    type=_file,
    help="Send nothing: write the next calls here, in OpenAI's batch file format.",
)
@click.option(
    "--batch-results", type=_file, multiple=True, help="With --batch-requests: a provider's file of results."
)
def generate(
    recipe: str,
    overrides: tuple[str, ...],
    output: Path,
    seeds: Path | None,
    batch_requests: Path | None,
    batch_results: tuple[Path, ...],
) -> None:
    """Evolve seed instructions and answer them: rows.jsonl, dropped.jsonl, seeds.jsonl, statistics.json.

    With --batch-requests, hand the file to the provider's batch interface, and call again with the file of
    results as --batch-results, until the rows are written: a batch for the seeds, three for each round.
    """
    from gukbap.stages.batch import PendingError
    from gukbap.workers.batch import BatchFiles
    from gukbap.workers.generate import run_generate

    if batch_results and batch_requests is None:
        raise UsageError("--batch-results needs --batch-requests, for the calls that come next")
    given = (f"generate.seeds={seeds}",) if seeds else ()
    checked = _prepare(recipe, (*overrides, *given), output)
    try:
        outcome = run_generate(
            checked.generate_settings(),
            rows=output / "rows.jsonl",
            dropped=output / "dropped.jsonl",
            seeds=output / "seeds.jsonl",
            statistics=output / "statistics.json",
            batch=BatchFiles(batch_requests, batch_results) if batch_requests else None,
        )
    except PendingError as pending:
        click.echo(f"{pending.problem}: the calls are in {batch_requests}", err=True)
        return
    _tell(output, outcome)


@stage.command()
@click.argument("rows", type=_file)
@click.option(
    "--benchmark",
    "benchmarks",
    type=_file,
    multiple=True,
    help="A further evaluation that must not be in the data: a pack's folder, JSON Lines or .txt. May be "
    "given several times.",
)
@recipe_option
@overrides_option
@output_option
def clean(
    rows: Path, benchmarks: tuple[Path, ...], recipe: str, overrides: tuple[str, ...], output: Path
) -> None:
    """Take out of ROWS what leaks an evaluation or is of bad form.

    Writes rows.jsonl, excluded.jsonl (what went, with the reason), decontamination.json (the statement) and
    statistics.json.
    """
    from gukbap.workers.clean import run_clean

    settings = _prepare(recipe, overrides, output, rows, *benchmarks).clean_settings()
    named = [*settings.clean.benchmarks, *map(str, benchmarks)]
    outcome = run_clean(
        settings.model_copy(update={"clean": settings.clean.model_copy(update={"benchmarks": named})}),
        source=rows,
        rows=output / "rows.jsonl",
        excluded=output / "excluded.jsonl",
        statement=output / "decontamination.json",
        statistics=output / "statistics.json",
    )
    _tell(output, outcome)


@stage.command()
@click.argument("rows", type=_file)
@recipe_option
@overrides_option
@output_option
@click.option(
    "--index",
    type=click.Path(file_okay=False, path_type=Path),
    help="A folder with what earlier runs kept, which stays; what is kept now is added. Made when missing.",
)
def dedup(rows: Path, recipe: str, overrides: tuple[str, ...], output: Path, index: Path | None) -> None:
    """Remove near-duplicates of ROWS: rows.jsonl, removed.jsonl, statistics.json."""
    from gukbap.workers.stages import run_dedup

    outcome = run_dedup(
        _prepare(recipe, overrides, output, rows).dedup_settings(),
        source=rows,
        rows=output / "rows.jsonl",
        removed=output / "removed.jsonl",
        statistics=output / "statistics.json",
        index=index,
    )
    _tell(output, outcome)


@stage.command()
@click.argument("rows", type=_file)
@recipe_option
@overrides_option
@output_option
def split(rows: Path, recipe: str, overrides: tuple[str, ...], output: Path) -> None:
    """Split ROWS by family: train.jsonl, validation.jsonl, left_out.jsonl, statistics.json."""
    from gukbap.workers.stages import run_split

    outcome = run_split(
        _prepare(recipe, overrides, output, rows).split_settings(),
        source=rows,
        train=output / "train.jsonl",
        validation=output / "validation.jsonl",
        left_out=output / "left_out.jsonl",
        statistics=output / "statistics.json",
    )
    _tell(output, outcome)


@stage.command()
@click.argument("train_rows", type=_file)
@click.argument("validation_rows", type=_file)
@recipe_option
@overrides_option
@output_option
def train(
    train_rows: Path, validation_rows: Path, recipe: str, overrides: tuple[str, ...], output: Path
) -> None:
    """Fine-tune the student on TRAIN_ROWS: model/, statistics.json."""
    from gukbap.workers.stages import run_train

    outcome = run_train(
        _prepare(recipe, overrides, output, train_rows, validation_rows).train_settings(),
        train_rows=train_rows,
        validation_rows=validation_rows,
        model=output / "model",
        statistics=output / "statistics.json",
    )
    _tell(output, outcome)


@stage.command()
@click.option(
    "--model", type=_file, help="Folder of a trained student; the recipe's base student by default."
)
@click.option(
    "--strategy",
    "strategies",
    type=click.Choice(STRATEGIES),
    multiple=True,
    help="May be given several times; the recipe's by default. The model is loaded once for all.",
)
@recipe_option
@overrides_option
@output_option
def infer(
    model: Path | None,
    strategies: tuple[Strategy, ...],
    recipe: str,
    overrides: tuple[str, ...],
    output: Path,
) -> None:
    """Answer the evaluation questions: answers-STRATEGY.jsonl for each strategy, statistics.json."""
    from gukbap.workers.stages import run_infer

    subject: Subject = SUBJECTS[1] if model else SUBJECTS[0]
    given = (f"infer.strategies=[{', '.join(strategies)}]",) if strategies else ()
    checked = _prepare(recipe, (*overrides, *given), output, *([model] if model else []))
    settings = checked.infer_settings(subject)
    outcome = run_infer(
        settings,
        tuned=model,
        answers={strategy: output / f"answers-{strategy}.jsonl" for strategy in settings.strategies},
        statistics=output / "statistics.json",
    )
    _tell(output, outcome)


@stage.command()
@click.argument("answers", type=_file, nargs=-1, required=True)
@click.option(
    "--judgements", type=click.IntRange(1, 100), help="Verdicts on each turn; the recipe's by default."
)
@recipe_option
@overrides_option
@output_option
def judge(
    answers: tuple[Path, ...], judgements: int | None, recipe: str, overrides: tuple[str, ...], output: Path
) -> None:
    """Judge ANSWERS, files of any models and strategies: judgements.jsonl, statistics.json."""
    from gukbap.files import read_jsonl
    from gukbap.schemas import Answer
    from gukbap.workers.stages import run_judge

    given = (f"judge.judgements={judgements}",) if judgements else ()
    checked = _prepare(recipe, (*overrides, *given), output, *answers)
    first = read_jsonl(answers[0], Answer)[0]
    outcome = run_judge(
        checked.judge_settings(first.subject, first.strategy),
        answers=list(answers),
        judgements=output / "judgements.jsonl",
        statistics=output / "statistics.json",
    )
    _tell(output, outcome)


@stage.command()
@click.argument("judgements", type=_file, nargs=-1, required=True)
@click.option(
    "--baseline",
    "baselines",
    type=judged_path,
    multiple=True,
    help="Judged answers of another model, shown beside: LogicKor's evaluated file, or judgements. "
    "May be given several times.",
)
@recipe_option
@overrides_option
@output_option
def report(
    judgements: tuple[Path, ...],
    baselines: tuple[Path, ...],
    recipe: str,
    overrides: tuple[str, ...],
    output: Path,
) -> None:
    """Report on JUDGEMENTS: report.html, report.md, model_card.md, data_card.md, scores.json."""
    from gukbap.config import BaselineConfig
    from gukbap.workers.stages import run_report

    outcome = run_report(
        _prepare(recipe, overrides, output, *judgements),
        judgements=judgements,
        statistics={},
        rows=None,
        html=output / "report.html",
        markdown=output / "report.md",
        model_card=output / "model_card.md",
        data_card=output / "data_card.md",
        scores=output / "scores.json",
        baselines=[BaselineConfig(path=str(path)) for path in baselines],
    )
    _tell(output, outcome)
