"""The one DAG: generate → dedup → split → train → infer → judge → report.

Every runner and the cluster run this pipeline; nothing here but wires and resources. (No postponed
annotations in this file: KFP reads them as values.)
"""

from typing import Any

from kfp import dsl, kubernetes

from components.dedup import dedup
from components.generate import generate
from components.infer import infer
from components.judge import judge
from components.report import report
from components.split import split
from components.train import train
from gukbap.config import Recipe, settings_text

#: Components by the name of their function, as a compiled pipeline names them.
COMPONENTS = {
    component.name: component for component in (generate, dedup, split, train, infer, judge, report)
}


def build_pipeline(recipe: Recipe) -> Any:
    """The KFP pipeline of a recipe (a kfp GraphComponent, ready to compile or to call)."""

    @dsl.pipeline(name=f"gukbap-{recipe.name}", description=recipe.description)
    def gukbap() -> None:
        generated = generate(settings=settings_text(recipe.generate_settings()))
        _name(generated, "generate", recipe, recipe.teacher.api_key_env)
        deduped = dedup(settings=settings_text(recipe.dedup_settings()), source=generated.outputs["rows"])
        _name(deduped, "dedup", recipe)
        parts = split(settings=settings_text(recipe.split_settings()), source=deduped.outputs["rows"])
        _name(parts, "split", recipe)
        trained = train(
            settings=settings_text(recipe.train_settings()),
            train_rows=parts.outputs["train"],
            validation_rows=parts.outputs["validation"],
        )
        _name(trained, "train", recipe)
        _with_gpus(trained, recipe, recipe.cluster.train.gpus, recipe.cluster.train.memory)

        judged = {}
        for subject in recipe.infer.subjects:
            for strategy in recipe.infer.strategies:
                step = f"{subject}-{strategy}"
                model = {"tuned": trained.outputs["model"]} if subject == "tuned" else {}
                answered = infer(settings=settings_text(recipe.infer_settings(subject, strategy)), **model)
                _name(answered, f"infer-{step}", recipe, recipe.infer.api_key_env)
                _with_gpus(answered, recipe, recipe.cluster.infer.gpus, recipe.cluster.infer.memory)
                verdict = judge(
                    settings=settings_text(recipe.judge_settings()), answers=answered.outputs["answers"]
                )
                _name(verdict, f"judge-{step}", recipe, recipe.judge.endpoint.api_key_env)
                judged[step.replace("-", "_")] = verdict.outputs["judgements"]

        reported = report(
            recipe=settings_text(recipe),
            generate_statistics=generated.outputs["statistics"],
            dedup_statistics=deduped.outputs["statistics"],
            split_statistics=parts.outputs["statistics"],
            train_statistics=trained.outputs["statistics"],
            train_rows=parts.outputs["train"],
            **judged,
        )
        _name(reported, "report", recipe)

    return gukbap


def _name(task: dsl.PipelineTask, name: str, recipe: Recipe, key_variable: str | None = None) -> None:
    task.set_display_name(name)
    task.set_memory_limit(recipe.cluster.generate.memory)
    if key_variable:
        kubernetes.use_secret_as_env(
            task, secret_name=recipe.cluster.secret, secret_key_to_env={key_variable: key_variable}
        )


def _with_gpus(task: dsl.PipelineTask, recipe: Recipe, count: int, memory: str) -> None:
    task.set_memory_limit(memory)
    if not count:
        return
    task.set_accelerator_type(recipe.cluster.gpu_resource).set_accelerator_limit(count)
    # NCCL and the data loader share memory through /dev/shm, whose default of 64 MiB crashes them.
    kubernetes.empty_dir_mount(
        task,
        volume_name="shm",
        mount_path="/dev/shm",
        medium="Memory",
        size_limit=recipe.cluster.shared_memory,
    )
