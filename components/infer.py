"""Answers to the evaluation questions."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.VLLM, install_kfp_package=False)
def infer(
    settings: str,
    answers: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    tuned: dsl.Input[dsl.Model] = None,
) -> None:
    """Answer the two-turn questions under one prompt strategy.

    Args:
        settings: InferSettings as JSON; empty: the strategy is left out.
        answers: JSON Lines of Answer.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
        tuned: the trained student; without it the base student answers.
    """
    from pathlib import Path

    from gukbap.config import InferSettings
    from gukbap.workers.outputs import hand_over, leave_out
    from gukbap.workers.stages import run_infer

    if not settings:
        leave_out(metrics, answers, statistics)
        return
    checked = InferSettings.model_validate_json(settings)
    outcome = run_infer(
        checked,
        tuned=Path(tuned.path) if tuned else None,
        answers=Path(answers.path),
        statistics=Path(statistics.path),
    )
    hand_over(outcome, checked, metrics, answers=answers, statistics=statistics)
