"""Verdicts of the LLM judge."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def judge(
    settings: str,
    answers: dsl.Input[dsl.Dataset],
    judgements: dsl.Output[dsl.Dataset],
    statistics: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Judge both turns of every answer, 0 to 10, or leave them unscored with a reason.

    Args:
        settings: JudgeSettings as JSON.
        answers: JSON Lines of Answer.
        judgements: JSON Lines of Judgement.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import JudgeSettings
    from gukbap.workers.stages import run_judge

    outcome = run_judge(
        JudgeSettings.model_validate_json(settings),
        answers=Path(answers.path),
        judgements=Path(judgements.path),
        statistics=Path(statistics.path),
    )
    judgements.metadata.update(outcome.metadata)
    for name, value in outcome.metrics.items():
        metrics.log_metric(name, value)
