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
) -> None:
    """Register the tuned student, and make it the champion where the evidence says so.

    Args:
        settings: PromoteSettings as JSON.
        scores: score tables and paired differences, JSON.
        model_uri: where the tuned student lies; the weights themselves are not fetched.
        model_sha256: hash of the model folder.
        decision: the verdict with its reasons and numbers, JSON.
        metrics: the numbers of the decision.
    """
    from pathlib import Path

    from gukbap.config import PromoteSettings
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.promote import run_promote

    checked = PromoteSettings.model_validate_json(settings)
    outcome = run_promote(
        checked,
        scores=Path(scores.path),
        model_uri=model_uri,
        model_sha256=model_sha256,
        decision=Path(decision.path),
    )
    hand_over(outcome, checked, metrics, decision=decision)
