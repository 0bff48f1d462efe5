"""The one DAG: prepare, generate, clean, dedup, split, train, infer, judge, report, promote, and finish
whatever became of them.

Every runner and the cluster run this pipeline; nothing here but wires. What each step asks of the
cluster stands in placement.py. (No postponed annotations in this file: KFP reads them as values.)
"""

import inspect
from typing import Any

from kfp import dsl

from components.clean import clean
from components.dedup import dedup
from components.finish import finish
from components.generate import generate
from components.infer import infer
from components.judge import judge
from components.prepare import prepare
from components.promote import promote
from components.report import report
from components.split import split
from components.train import train
from components.train_job import train_job
from gukbap.config import Recipe, RetryConfig, pipeline_name, settings_text
from pipelines.form import Form
from pipelines.placement import Placement

#: Components by the name of their function, as a compiled pipeline names them.
COMPONENTS = {
    component.name.replace("-", "_"): component
    for component in (
        prepare,
        generate,
        clean,
        dedup,
        split,
        train,
        train_job,
        infer,
        judge,
        report,
        promote,
        finish,
    )
}


def build_pipeline(recipe: Recipe, *, on_cluster: bool = True, retry: RetryConfig | None = None) -> Any:
    """The KFP pipeline of a recipe (a kfp GraphComponent, ready to compile or to call).

    Args:
        recipe: what is fixed at compile time, and the defaults of the form.
        on_cluster: with the run form and all that pods need. Without it the steps and their edges are
            the same, and the pipeline takes no parameters, as runners on one machine need it
            (kfp.local fills no parameter into an image's name).
        retry: of every step, in place of the recipe's; the recipe that steps are told, and its hash,
            stay as they are.
    """
    form = Form(recipe, offered=on_cluster)

    def gukbap(*values: Any) -> None:
        given = form.bind(values)
        placement = Placement(recipe, given, on_cluster=on_cluster, retry=retry)
        _wire(recipe, form.for_prepare(given), placement)

    # KFP reads parameters, types and defaults off the signature, descriptions off the docstring. mypy
    # knows no function attribute __signature__, which inspect (PEP 362) reads.
    gukbap.__signature__ = inspect.Signature(form.parameters())  # type: ignore[attr-defined]
    gukbap.__doc__ = form.docstring(recipe.description)
    return dsl.pipeline(name=pipeline_name(recipe.name), description=recipe.description)(gukbap)


def _wire(recipe: Recipe, form_values: dict[str, Any], placement: Placement) -> None:
    finished = finish(recipe=settings_text(recipe))
    placement.light(finished, "finish")
    with dsl.ExitHandler(finished, name="gukbap"):
        prepared = prepare(recipe=settings_text(recipe), **form_values)
        placement.light(prepared, "prepare", keys=placement.store_keys())
        settings = prepared.outputs

        generated = generate(settings=settings["generate"])
        placement.generate(generated)
        cleaned = clean(settings=settings["clean"], source=generated.outputs["rows"])
        placement.clean(cleaned)
        deduped = dedup(
            settings=settings["dedup"],
            source=cleaned.outputs["rows"],
            seeds=generated.outputs["seeds"],
            statement=cleaned.outputs["statement"],
        )
        placement.dedup(deduped)
        parts = split(settings=settings["split"], source=deduped.outputs["rows"])
        placement.light(parts, "split")
        rows = {"train_rows": parts.outputs["train"], "validation_rows": parts.outputs["validation"]}
        if placement.over_nodes:
            trained = train_job(settings=settings["train"], **placement.for_nodes(), **rows)
        else:
            trained = train(settings=settings["train"], **rows)
        placement.train(trained, gpus=settings["train_gpus"])

        told, judged = {}, {}
        # A Python loop, not ParallelFor: its steps bear names in the UI, and ParallelFor fails inside an
        # exit handler on clusters.
        for subject in recipe.infer.subjects:
            model = {"tuned": trained.outputs["model"]} if subject == "tuned" else {}
            answered = infer(settings=settings[f"infer_{subject}"], **model)
            placement.infer(answered, f"infer-{subject}", gpus=settings["infer_gpus"])
            told[f"infer_{subject}_statistics"] = answered.outputs["statistics"]
            for strategy in recipe.infer.strategies:
                asked = strategy.replace("-", "_")
                step = f"{subject}_{asked}"
                answers = answered.outputs[f"answers_{asked}"]
                verdict = judge(settings=settings[f"judge_{step}"], answers=answers)
                placement.judge(verdict, f"judge-{subject}-{strategy}")
                judged[step] = verdict.outputs["judgements"]

        reported = report(
            recipe=settings["recipe"],
            generate_statistics=generated.outputs["statistics"],
            clean_statistics=cleaned.outputs["statistics"],
            dedup_statistics=deduped.outputs["statistics"],
            split_statistics=parts.outputs["statistics"],
            train_statistics=trained.outputs["statistics"],
            train_rows=parts.outputs["train"],
            model_sha256=trained.outputs["model_sha256"],
            **told,
            **judged,
        )
        placement.report(reported)
        promoted = promote(
            settings=settings["promote"],
            scores=reported.outputs["scores"],
            model_uri=trained.outputs["model_uri"],
            model_sha256=trained.outputs["model_sha256"],
            **judged,
        )
        placement.promote(promoted)
