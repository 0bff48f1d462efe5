"""`gukbap score`: score tables from judged files."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gukbap.cli.options import json_option


@click.command()
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@json_option
def score(files: tuple[Path, ...], as_json: bool) -> None:
    """Print the score table of judged FILES (JSON Lines of judgements)."""
    from gukbap.files import read_jsonl
    from gukbap.schemas import Judgement
    from gukbap.stages.report import text_table
    from gukbap.stages.scores import score_table

    judgements = [record for path in files for record in read_jsonl(path, Judgement)]
    table = score_table(judgements)
    click.echo(
        json.dumps(table.model_dump(mode="json"), ensure_ascii=False) if as_json else text_table(table)
    )
