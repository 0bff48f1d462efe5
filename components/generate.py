"""Evol-Instruct over a chat model."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def generate(
    settings: str,
    rows: dsl.Output[dsl.Dataset],
    dropped: dsl.Output[dsl.Dataset],
    seeds: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Evolve seed instructions with an open teacher and answer them.

    Args:
        settings: GenerateSettings as JSON.
        rows: kept rows, JSON Lines of Row; those of the growing data set's base first.
        dropped: candidates that were dropped, JSON Lines of Dropped.
        seeds: seeds that were evolved, in this run or before, JSON Lines of Seed.
        statistics: counts by operation, round and reason, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import GenerateSettings
    from gukbap.workers.generate import run_generate
    from gukbap.workers.outputs import hand_over

    checked = GenerateSettings.model_validate_json(settings)
    outcome = run_generate(
        checked,
        rows=Path(rows.path),
        dropped=Path(dropped.path),
        seeds=Path(seeds.path),
        statistics=Path(statistics.path),
    )
    files = {"dropped": dropped, "seeds": seeds, "statistics": statistics}
    hand_over(outcome, checked, metrics, rows=rows, **files)
