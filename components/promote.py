"""Registration of the tuned student."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def promote(
    settings: str,
    scores: dsl.Input[dsl.Artifact],
    model_uri: str,
    model_sha256: str,
    decision: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    base_default: dsl.Input[dsl.Dataset] = None,
    base_1_shot: dsl.Input[dsl.Dataset] = None,
    base_cot_1_shot: dsl.Input[dsl.Dataset] = None,
    tuned_default: dsl.Input[dsl.Dataset] = None,
    tuned_1_shot: dsl.Input[dsl.Dataset] = None,
    tuned_cot_1_shot: dsl.Input[dsl.Dataset] = None,
) -> None:
    """Compare the tuned student with the champion, register it, and promote it where the evidence says so.

    Args:
        settings: PromoteSettings as JSON.
        scores: score tables and paired differences, JSON.
        model_uri: where the tuned student lies; the weights themselves are not fetched.
        model_sha256: hash of the model folder.
        decision: the verdict with its reasons and numbers, JSON.
        metrics: the numbers of the decision.
        base_default: judgements of the base student, strategy default.
        base_1_shot: judgements of the base student, strategy 1-shot.
        base_cot_1_shot: judgements of the base student, strategy cot-1-shot.
        tuned_default: judgements of the tuned student, strategy default.
        tuned_1_shot: judgements of the tuned student, strategy 1-shot.
        tuned_cot_1_shot: judgements of the tuned student, strategy cot-1-shot.
    """
    from pathlib import Path

    from gukbap.config import PromoteSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.promote import run_promote

    judged = [base_default, base_1_shot, base_cot_1_shot, tuned_default, tuned_1_shot, tuned_cot_1_shot]
    checked = PromoteSettings.model_validate_json(settings)
    outcome = run_promote(
        checked,
        scores=Path(scores.path),
        judgements=[Path(part.path) for part in judged if part],
        model_uri=model_uri,
        model_sha256=model_sha256,
        decision=Path(decision.path),
    )
    hand_over(outcome, checked, metrics, decision=decision)
