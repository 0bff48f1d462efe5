"""Supervised fine-tuning over several nodes, by Kubeflow Trainer."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(
    base_image=images.CPU,
    install_kfp_package=False,
    # What the pipeline sets on this step is meant for the training nodes. This step's own pod only starts
    # and watches them: of all that it needs the variables and the claim alone.
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
        dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
        dsl.TaskConfigField.KUBERNETES_AFFINITY,
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV, apply_to_task=True),
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.KUBERNETES_VOLUMES, apply_to_task=True),
    ],
)
def train_job(
    settings: str,
    cluster: str,
    image: str,
    train_rows: dsl.Input[dsl.Dataset],
    validation_rows: dsl.Input[dsl.Dataset],
    task_config: dsl.TaskConfig,
    model: dsl.Output[dsl.Model],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple(  # type: ignore[valid-type]  # KFP evaluates it inside the container
    "Trained", [("model_uri", str), ("model_sha256", str)]
):
    """Fine-tune the student on the answers of the training rows, on the nodes of a TrainJob.

    Args:
        settings: TrainSettings as JSON.
        cluster: ClusterConfig as JSON.
        image: of the training nodes.
        train_rows: JSON Lines of Row.
        validation_rows: JSON Lines of Row.
        task_config: what the pipeline sets on this step; Kubeflow Pipelines fills it in.
        model: a folder that transformers and vLLM load.
        statistics: losses, counts and the training history, JSON.
        metrics: the numbers of the statistics.

    Returns:
        Where the model lies, and its hash: enough to register it without fetching it.
    """
    from dataclasses import asdict
    from pathlib import Path

    from gukbap.config import ClusterConfig, TrainSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.train_job import run_train_job

    checked = TrainSettings.model_validate_json(settings)
    outcome = run_train_job(
        checked,
        cluster=ClusterConfig.model_validate_json(cluster),
        image=image,
        task_config=asdict(task_config),
        train_rows=Path(train_rows.path),
        validation_rows=Path(validation_rows.path),
        model=Path(model.path),
        statistics=Path(statistics.path),
    )
    hand_over(outcome, checked, metrics, model=model, statistics=statistics)
    return (model.uri, outcome.metadata["sha256"])
