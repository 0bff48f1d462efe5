"""Training and validation rows."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def split(
    settings: str,
    source: dsl.Input[dsl.Dataset],
    train: dsl.Output[dsl.Dataset],
    validation: dsl.Output[dsl.Dataset],
    left_out: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Split rows by family.

    Args:
        settings: SplitSettings as JSON.
        source: JSON Lines of Row.
        train: training rows, JSON Lines of Row.
        validation: validation rows, JSON Lines of Row.
        left_out: rows that stand on neither side, JSON Lines of Row.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import SplitSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.stages import run_split

    checked = SplitSettings.model_validate_json(settings)
    outcome = run_split(
        checked,
        source=Path(source.path),
        train=Path(train.path),
        validation=Path(validation.path),
        left_out=Path(left_out.path),
        statistics=Path(statistics.path),
    )
    sides = {"train": train, "validation": validation, "left_out": left_out}
    hand_over(outcome, checked, metrics, **sides, statistics=statistics)
