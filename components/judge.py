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
        settings: JudgeSettings as JSON; empty: the strategy is left out.
        answers: JSON Lines of Answer.
        judgements: JSON Lines of Judgement.
        statistics: counts, JSON.
        metrics: the numbers of the statistics.
    """
    from pathlib import Path

    from gukbap.config import JudgeSettings
    from gukbap.workers.outputs import hand_over, leave_out
    from gukbap.workers.stages import run_judge

    if not settings:
        leave_out(metrics, judgements, statistics)
        return
    checked = JudgeSettings.model_validate_json(settings)
    outcome = run_judge(
        checked,
        answers=[Path(answers.path)],
        judgements=Path(judgements.path),
        statistics=Path(statistics.path),
    )
    hand_over(outcome, checked, metrics, judgements=judgements, statistics=statistics)
