"""`gukbap compare`: whether one judged run is better than another."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gukbap.cli.options import (
    exclude_fabricated_option,
    incomplete_option,
    json_option,
    resampling_seed_option,
)
from gukbap.cli.tracking import tracking_uri
from gukbap.errors import InputError, UsageError
from gukbap.schemas import SUBJECTS

if TYPE_CHECKING:
    from gukbap.schemas import Judgement
    from gukbap.stages.scores import Comparison

#: whom a comparison of two run folders is about
TUNED = SUBJECTS[1]


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="A B")
@click.option("--strategy", help="Take this prompt strategy where A or B holds several.")
@click.option("--subject", help="Take this model where A or B holds several; tuned by default.")
@click.option("--any-judge", is_flag=True, help="Compare even where two judges gave the scores.")
@click.option(
    "--mlflow",
    "in_mlflow",
    is_flag=True,
    help="A, B and further ones are runs in MLflow: their numbers side by side.",
)
@exclude_fabricated_option
@incomplete_option
@resampling_seed_option
@click.option(
    "--runs",
    "runs_folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs"),
    show_default=True,
    help="With --mlflow: folder whose mlflow.sqlite3 is read where MLFLOW_TRACKING_URI is not set.",
)
@json_option
def compare(
    runs: tuple[str, ...],
    strategy: str | None,
    subject: str | None,
    any_judge: bool,
    in_mlflow: bool,
    exclude_fabricated: bool,
    allow_incomplete: bool,
    seed: int,
    runs_folder: Path,
    as_json: bool,
) -> None:
    """Say whether A is better than B, worse, or whether that cannot be told.

    A and B are judged files (of this project or LogicKor's evaluated format) or run folders. Every
    question is its own partner; the interval and both p-values resample questions.

    With --mlflow they are runs (MLflow's id, the run's own id, or its name; two or more), and what was
    logged of them is shown side by side.
    """
    from gukbap.benchmarks.judged import read_judged
    from gukbap.stages.scores import compare as compare_runs
    from gukbap.stages.scores import without_invented

    if in_mlflow:
        _in_mlflow(runs, runs_folder, as_json)
        return
    sides, notes = [], []
    for path in _two_paths(runs):
        judged = read_judged([path], lenient=allow_incomplete)
        notes += judged.notes
        chosen = _one_model(path, judged.judgements, subject)
        sides.append(without_invented(chosen) if exclude_fabricated else chosen)
    found = [
        compare_runs(*pair, seed=seed, any_judge=any_judge) for pair in _pairs(sides[0], sides[1], strategy)
    ]
    if as_json:
        click.echo(json.dumps(_document(found, notes), ensure_ascii=False))
        return
    click.echo("\n\n".join(_text(one) for one in found))
    for note in notes:
        click.echo(f"- {note}")


def _two_paths(given: tuple[str, ...]) -> list[Path]:
    if len(given) != 2:
        raise UsageError(f"{len(given)} things to compare", expected="two: A and B (with --mlflow also more)")
    for name in given:
        if not Path(name).exists():
            raise UsageError(
                f"there is no file or folder {name}",
                expected="a judged file or a run folder",
                fix="for runs in MLflow: gukbap compare --mlflow A B",
            )
    return [Path(name) for name in given]


def _in_mlflow(names: tuple[str, ...], folder: Path, as_json: bool) -> None:
    from gukbap.adapters.mlflow_runs import find_runs
    from gukbap.stages.comparable import in_reading_order
    from gukbap.stages.report.tables import aligned

    found = find_runs(tracking_uri(folder), list(names))
    if as_json:
        click.echo(json.dumps([asdict(run) for run in found], ensure_ascii=False))
        return
    rows = [
        [name, "", *(_number(run.metrics.get(name)) for run in found)]
        for name in in_reading_order({name for run in found for name in run.metrics})
    ]
    tagged = [
        [name, "", *(run.tags.get(name, "–") for run in found)]
        for name in ("gukbap.recipe", "gukbap.baseline", "gukbap.verdict", "gukbap.registered_model")
        if any(name in run.tags for run in found)
    ]
    click.echo(aligned(["", "", *(run.name for run in found)], [*tagged, *rows]))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _one_model(path: Path, judgements: list[Judgement], subject: str | None) -> list[Judgement]:
    names = list(dict.fromkeys(judgement.subject for judgement in judgements))
    wanted = subject or (names[0] if len(names) == 1 else TUNED)
    if wanted not in names:
        raise InputError(
            f"{path} holds {', '.join(names)}",
            expected=f"the model {wanted}" if subject else "one model on each side",
            fix="give one file, or say which with --subject",
        )
    return [judgement for judgement in judgements if judgement.subject == wanted]


def _pairs(
    a: list[Judgement], b: list[Judgement], strategy: str | None
) -> list[tuple[list[Judgement], list[Judgement]]]:
    """Strategy against the same strategy; where each side has just one, these two whatever they are."""
    left, right = (list(dict.fromkeys(j.strategy for j in side)) for side in (a, b))
    if strategy:
        keys = [(strategy, strategy)]
    elif len(left) == len(right) == 1:
        keys = [(left[0], right[0])]
    else:
        keys = [(name, name) for name in left if name in right]
    pairs = [([j for j in a if j.strategy == x], [j for j in b if j.strategy == y]) for x, y in keys]
    if not pairs or not all(all(pair) for pair in pairs):
        raise InputError(
            f"A has the strategies {', '.join(left)}, B has {', '.join(right)}",
            expected=f"{strategy or 'a strategy'} on both sides",
            fix="choose with --strategy, or give one file on each side",
        )
    return pairs


def _document(found: list[Comparison], notes: list[str]) -> dict[str, object]:
    return {"comparisons": [one.model_dump(mode="json") for one in found], "notes": notes}


def _text(one: Comparison) -> str:
    from gukbap.stages.report.tables import aligned, category_label, interval_text, signed

    lines = [
        f"A  {one.a}",
        f"B  {one.b}",
        f"A is {one.verdict}" if one.significant else "cannot tell which is better",
        "",
    ]
    header = ["A − B", "", "points", "95% interval", "p", "questions", "verdict"]
    rows = [
        [
            *("overall", "", signed(one.difference), interval_text(one.interval, sign=True)),
            *(_p(one.permutation_p), str(one.questions), one.verdict),
        ]
    ]
    for name, found in one.categories.items():
        interval = interval_text(found.interval, sign=True)
        label, questions = category_label(name), str(found.questions)
        rows.append(
            [label, "", signed(found.difference), interval, _p(found.adjusted_p), questions, found.verdict]
        )
    lines.append(aligned(header, rows))
    lines.append(
        "p: permutation of questions; those of the categories are corrected for six looks. "
        f"Bootstrap p of the overall difference: {_p(one.bootstrap_p)}."
    )
    if one.pairs < one.judged_pairs:
        lines.append(f"{one.judged_pairs - one.pairs} of {one.judged_pairs} turns lack a score on a side.")
    return "\n".join(lines)


def _p(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
