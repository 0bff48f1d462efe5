"""`gukbap score`: score tables from judged files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gukbap.cli.options import (
    exclude_fabricated_option,
    incomplete_option,
    json_option,
    judged_path,
    resampling_seed_option,
)


@click.command()
@click.argument("files", type=judged_path, nargs=-1, required=True)
@exclude_fabricated_option
@incomplete_option
@resampling_seed_option
@json_option
def score(
    files: tuple[Path, ...], exclude_fabricated: bool, allow_incomplete: bool, seed: int, as_json: bool
) -> None:
    """Print the score table of judged FILES, a row for each model and strategy.

    FILES are judgements of this project, LogicKor's evaluated files, or folders of them. LogicKor's
    own files are told by the folders above them (evaluated/ORG/MODEL/STRATEGY.jsonl).
    """
    from gukbap.benchmarks.judged import read_judged
    from gukbap.stages.report import text_table
    from gukbap.stages.scores import remarks, score_table, without_invented

    judged = read_judged(files, lenient=allow_incomplete)
    judgements = without_invented(judged.judgements) if exclude_fabricated else judged.judgements
    table = score_table(judgements, seed=seed)
    notes = [*judged.notes, *remarks(table)]
    if exclude_fabricated:
        left_out = sum(judgement.invented for judgement in judged.judgements)
        notes.append(f"{left_out} of {len(judgements)} judgements are zeros that no judge gave: left out")
    if as_json:
        document = {"table": table.model_dump(mode="json"), "notes": notes}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    click.echo(text_table(table))
    for note in notes:
        click.echo(f"- {note}")
