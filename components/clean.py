"""Decontamination and quality filters."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def clean(
    settings: str,
    source: dsl.Input[dsl.Dataset],
    rows: dsl.Output[dsl.Dataset],
    excluded: dsl.Output[dsl.Dataset],
    statement: dsl.Output[dsl.Artifact],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Take out rows that hold evaluation texts, and rows that quality filters find fault with.

    Args:
        settings: CleanSettings as JSON.
        source: JSON Lines of Row.
        rows: the rows that stay, JSON Lines of Row.
        excluded: the rows that went, with the reason, JSON Lines of Excluded.
        statement: what was looked for, how, and what was found, JSON.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import CleanSettings
    from gukbap.workers.clean import run_clean
    from gukbap.workers.outputs import hand_over

    checked = CleanSettings.model_validate_json(settings)
    outcome = run_clean(
        checked,
        source=Path(source.path),
        rows=Path(rows.path),
        excluded=Path(excluded.path),
        statement=Path(statement.path),
        statistics=Path(statistics.path),
    )
    files = {"excluded": excluded, "statement": statement, "statistics": statistics}
    hand_over(outcome, checked, metrics, rows=rows, **files)
