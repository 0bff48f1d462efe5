"""Answers to the evaluation questions."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.VLLM, install_kfp_package=False)
def infer(
    settings: str,
    answers_default: dsl.Output[dsl.Dataset],
    answers_1_shot: dsl.Output[dsl.Dataset],
    answers_cot_1_shot: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    tuned: dsl.Input[dsl.Model] = None,
) -> None:
    """Answer the two-turn questions under every prompt strategy that is asked, with the model loaded once.

    Args:
        settings: InferSettings as JSON.
        answers_default: JSON Lines of Answer under the strategy default; empty where it is not asked.
        answers_1_shot: the same under the strategy 1-shot.
        answers_cot_1_shot: the same under the strategy cot-1-shot.
        statistics: counts by strategy, and the time taken, JSON.
        metrics: the numbers of the statistics.
        tuned: the trained student; without it the base student answers.
    """
    from pathlib import Path

    from gukbap.config import InferSettings
    from gukbap.workers.outputs import hand_over, leave_out
    from gukbap.workers.stages import run_infer

    checked = InferSettings.model_validate_json(settings)
    offered = {"default": answers_default, "1-shot": answers_1_shot, "cot-1-shot": answers_cot_1_shot}
    outcome = run_infer(
        checked,
        tuned=Path(tuned.path) if tuned else None,
        answers={strategy: Path(offered[strategy].path) for strategy in checked.strategies},
        statistics=Path(statistics.path),
    )
    leave_out(metrics, *(offered[name] for name in offered if name not in checked.strategies))
    hand_over(
        outcome,
        checked,
        metrics,
        answers_default=answers_default,
        answers_1_shot=answers_1_shot,
        answers_cot_1_shot=answers_cot_1_shot,
        statistics=statistics,
    )
