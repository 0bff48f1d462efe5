"""The run's settings, checked before anything is paid for."""

from typing import NamedTuple

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def prepare(
    recipe: str,
    summary: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
    freshness: str,
    teacher_model: str,
    teacher_base_url: str,
    teacher_licence: str,
    seed_count: int,
    rounds: int,
    max_rows: int,
    epochs: int,
    learning_rate: float,
    train_gpus: int,
    infer_gpus: int,
    strategies: list,  # type: ignore[type-arg]  # KFP knows a plain list alone
    judge_model: str,
    min_gain: float,
    seed: int,
    cpu_image: str,
    train_image: str,
    infer_image: str,
) -> NamedTuple(  # type: ignore[valid-type]  # KFP evaluates it inside the container
    "Prepared",
    [
        ("recipe", str),
        ("generate", str),
        ("clean", str),
        ("dedup", str),
        ("split", str),
        ("train", str),
        ("infer_base", str),
        ("infer_tuned", str),
        ("judge_base_default", str),
        ("judge_base_1_shot", str),
        ("judge_base_cot_1_shot", str),
        ("judge_tuned_default", str),
        ("judge_tuned_1_shot", str),
        ("judge_tuned_cot_1_shot", str),
        ("promote", str),
        ("train_gpus", str),
        ("infer_gpus", str),
    ],
):
    """Check the form's values, settle every step's settings and edition, open the tracked run.

    A field that the recipe's form does not offer is given as 0 or an empty text, and is not read.

    Args:
        recipe: the recipe as it was compiled, JSON.
        summary: what will run, what is reused, and why.
        metrics: how many steps are new, known, gone or fresh.
        freshness: reuse takes unchanged steps from the cache; always generates new data.
        teacher_model: open model that writes the data.
        teacher_base_url: OpenAI-compatible server of the teacher.
        teacher_licence: licence of the teacher's weights.
        seed_count: how many seed instructions are drawn.
        rounds: Evol-Instruct rounds.
        max_rows: generation stops when so many rows are kept.
        epochs: passes over the training rows.
        learning_rate: peak learning rate.
        train_gpus: GPUs of the one training pod.
        infer_gpus: GPUs of each answering pod.
        strategies: prompt strategies that are asked.
        judge_model: model that judges.
        min_gain: points that the gain's lower bound must be above.
        seed: seed of every random choice.
        cpu_image: image of the steps without an accelerator.
        train_image: image of the training step.
        infer_image: image of the answering steps.

    Returns:
        The recipe as it is run, and each step's settings, JSON; empty for a step that is left out.
    """
    from pathlib import Path

    from gukbap.config import Recipe
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.prepare import run_prepare

    form = {
        "teacher_model": teacher_model,
        "teacher_base_url": teacher_base_url,
        "teacher_licence": teacher_licence,
        "seed_count": seed_count,
        "rounds": rounds,
        "max_rows": max_rows,
        "epochs": epochs,
        "learning_rate": learning_rate,
        "train_gpus": train_gpus,
        "infer_gpus": infer_gpus,
        "strategies": strategies,
        "judge_model": judge_model,
        "min_gain": min_gain,
        "seed": seed,
    }
    prepared = run_prepare(
        Recipe.model_validate_json(recipe),
        form=form,
        freshness=freshness,
        images={"cpu": cpu_image, "train": train_image, "infer": infer_image},
        summary=Path(summary.path),
    )
    hand_over(prepared.outcome, prepared.recipe, metrics, summary=summary)
    return prepared.parameters()
