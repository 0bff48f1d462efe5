"""Near-duplicate removal."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def dedup(
    settings: str,
    source: dsl.Input[dsl.Dataset],
    seeds: dsl.Input[dsl.Dataset],
    statement: dsl.Input[dsl.Artifact],
    rows: dsl.Output[dsl.Dataset],
    removed: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Remove near-duplicate rows; publish what stays as a version of the data set, where it grows.

    Args:
        settings: DedupSettings as JSON.
        source: JSON Lines of Row.
        seeds: seeds that were evolved, JSON Lines of Seed.
        statement: on the decontamination of the source, JSON.
        rows: the rows that stay, JSON Lines of Row.
        removed: the rows that went, with their keepers, JSON Lines of Removed.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import DedupSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.stages import run_dedup

    checked = DedupSettings.model_validate_json(settings)
    outcome = run_dedup(
        checked,
        source=Path(source.path),
        seeds=Path(seeds.path),
        statement=Path(statement.path),
        rows=Path(rows.path),
        removed=Path(removed.path),
        statistics=Path(statistics.path),
    )
    hand_over(outcome, checked, metrics, rows=rows, removed=removed, statistics=statistics)
