"""The run's tables, plots and model card."""

from kfp import dsl

from components import images


@dsl.component(base_image=images.CPU, install_kfp_package=False)
def report(
    recipe: str,
    generate_statistics: dsl.Input[dsl.Artifact],
    clean_statistics: dsl.Input[dsl.Artifact],
    dedup_statistics: dsl.Input[dsl.Artifact],
    split_statistics: dsl.Input[dsl.Artifact],
    train_statistics: dsl.Input[dsl.Artifact],
    train_rows: dsl.Input[dsl.Dataset],
    html: dsl.Output[dsl.HTML],
    markdown: dsl.Output[dsl.Markdown],
    model_card: dsl.Output[dsl.Markdown],
    data_card: dsl.Output[dsl.Markdown],
    scores: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    base_default: dsl.Input[dsl.Dataset] = None,
    base_1_shot: dsl.Input[dsl.Dataset] = None,
    base_cot_1_shot: dsl.Input[dsl.Dataset] = None,
    tuned_default: dsl.Input[dsl.Dataset] = None,
    tuned_1_shot: dsl.Input[dsl.Dataset] = None,
    tuned_cot_1_shot: dsl.Input[dsl.Dataset] = None,
    infer_base_statistics: dsl.Input[dsl.Artifact] = None,
    infer_tuned_statistics: dsl.Input[dsl.Artifact] = None,
    model_sha256: str = "",
) -> None:
    """Write the score tables, the report and the cards of model and data.

    Args:
        recipe: the whole recipe as JSON.
        generate_statistics: statistics of the generate step.
        clean_statistics: statistics of the clean step.
        dedup_statistics: statistics of the dedup step.
        split_statistics: statistics of the split step.
        train_statistics: statistics of the train step.
        train_rows: JSON Lines of Row, for samples.
        html: a page with tables and plots.
        markdown: the same tables as text.
        model_card: the model card, every number measured.
        data_card: the card of the data set, with its sources and licences.
        scores: score tables and paired differences, JSON.
        metrics: the numbers of the scores.
        base_default: judgements of the base student, strategy default.
        base_1_shot: judgements of the base student, strategy 1-shot.
        base_cot_1_shot: judgements of the base student, strategy cot-1-shot.
        tuned_default: judgements of the tuned student, strategy default.
        tuned_1_shot: judgements of the tuned student, strategy 1-shot.
        tuned_cot_1_shot: judgements of the tuned student, strategy cot-1-shot.
        infer_base_statistics: statistics of the base student's infer step.
        infer_tuned_statistics: statistics of the tuned student's infer step.
        model_sha256: over the files of the trained model.
    """
    from pathlib import Path

    from gukbap.config import Recipe
    from gukbap.workers.outputs import hand_over
    from gukbap.workers.stages import run_report

    judged = [base_default, base_1_shot, base_cot_1_shot, tuned_default, tuned_1_shot, tuned_cot_1_shot]
    statistics = {
        "generate": generate_statistics,
        "clean": clean_statistics,
        "dedup": dedup_statistics,
        "split": split_statistics,
        "train": train_statistics,
        "infer-base": infer_base_statistics,
        "infer-tuned": infer_tuned_statistics,
    }
    checked = Recipe.model_validate_json(recipe)
    outcome = run_report(
        checked,
        judgements=[Path(part.path) for part in judged if part],
        statistics={step: Path(part.path) for step, part in statistics.items() if part},
        rows=Path(train_rows.path),
        html=Path(html.path),
        markdown=Path(markdown.path),
        model_card=Path(model_card.path),
        data_card=Path(data_card.path),
        scores=Path(scores.path),
        model_sha256=model_sha256 or None,
    )
    cards = {"model_card": model_card, "data_card": data_card}
    hand_over(outcome, checked, metrics, html=html, markdown=markdown, scores=scores, **cards)
