"""`gukbap baselines`: judged answers of other models as runs in MLflow."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from gukbap.cli.options import json_option, judged_path, runs_option
from gukbap.cli.tracking import tracking_uri
from gukbap.config import TrackingConfig


@click.group()
def baselines() -> None:
    """Judged answers of other models as runs in MLflow, beside the pipeline's own."""


@baselines.command("import")
@click.argument("files", type=judged_path, nargs=-1, required=True)
@click.option(
    "--experiment", default=TrackingConfig().experiment, show_default=True, help="MLflow experiment."
)
@runs_option
@json_option
def import_(files: tuple[Path, ...], experiment: str, runs: Path, as_json: bool) -> None:
    """Import judged FILES or folders (LogicKor's `evaluated`, or judgements of this project).

    Each model becomes a run with the scores of all its strategies; said twice, it is imported once.
    """
    from gukbap.config import BaselineConfig
    from gukbap.workers.baselines import import_baselines

    found = import_baselines(
        tracking_uri(runs), experiment, [BaselineConfig(path=str(path)) for path in files]
    )
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], ensure_ascii=False))
        return
    for one in found:
        what = "known before" if one.known else "imported"
        click.echo(f"{one.name}: {what} as {one.run_id} ({', '.join(one.strategies)})")
