"""Supervised fine-tuning."""

from typing import NamedTuple

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
) -> NamedTuple(  # type: ignore[valid-type]  # KFP evaluates it inside the container
    "Trained", [("model_uri", str), ("model_sha256", str)]
):
    """Fine-tune the student on the answers of the training rows.

    Args:
        settings: TrainSettings as JSON.
        train_rows: JSON Lines of Row.
        validation_rows: JSON Lines of Row.
        model: a folder that transformers and vLLM load.
        statistics: losses, counts and the training history, JSON.
        metrics: the numbers of the statistics.

    Returns:
        Where the model lies, and its hash: enough to register it without fetching it.
    """
    from pathlib import Path

    from gukbap.config import TrainSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.stages import run_train

    checked = TrainSettings.model_validate_json(settings)
    outcome = run_train(
        checked,
        train_rows=Path(train_rows.path),
        validation_rows=Path(validation_rows.path),
        model=Path(model.path),
        statistics=Path(statistics.path),
    )
    hand_over(outcome, checked, metrics, model=model, statistics=statistics)
    return (model.uri, outcome.metadata["sha256"])
