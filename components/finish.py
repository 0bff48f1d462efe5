"""The exit step."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def finish(
    recipe: str,
    status: dsl.PipelineTaskFinalStatus,
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Close the run whatever became of it: status, what failed, where its logs are; clear up.

    Args:
        recipe: the recipe as it was compiled, JSON.
        status: what became of the steps, from Kubeflow Pipelines.
        summary: how the run ended.
        metrics: how many steps failed.
    """
    from pathlib import Path

    from gukbap.config import Recipe
    from gukbap.workers.finish import run_finish
    from gukbap.workers.outputs import hand_over

    checked = Recipe.model_validate_json(recipe)
    outcome = run_finish(
        checked, state=status.state, message=status.error_message or "", summary=Path(summary.path)
    )
    hand_over(outcome, checked, metrics, summary=summary)
