"""Supervised fine-tuning."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.TRAIN, install_kfp_package=False)
def train(
    settings: str,
    train_rows: dsl.Input[dsl.Dataset],
    validation_rows: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Fine-tune the student on the answers of the training rows.

    Args:
        settings: TrainSettings as JSON.
        train_rows: JSON Lines of Row.
        validation_rows: JSON Lines of Row.
        model: a folder that transformers and vLLM load.
        statistics: losses, counts and the training history, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import TrainSettings
    from gukbap.workers.stages import run_train

    outcome = run_train(
        TrainSettings.model_validate_json(settings),
        train_rows=Path(train_rows.path),
        validation_rows=Path(validation_rows.path),
        model=Path(model.path),
        statistics=Path(statistics.path),
    )
    model.metadata.update(outcome.metadata)
    for name, value in outcome.metrics.items():
        metrics.log_metric(name, value)
