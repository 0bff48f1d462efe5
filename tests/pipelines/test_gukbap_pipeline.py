from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from kfp import components as kfp_components
from kfp.compiler import Compiler

from components import images
from gukbap.recipes import builtin_recipes, load_recipe
from gukbap.runners.dag import Output, Step, read_steps
from gukbap.schemas import STRATEGIES, SUBJECTS
from gukbap.workers.prepare import NEEDS, step_settings
from pipelines.gukbap_pipeline import COMPONENTS, build_pipeline
from tests.shallow import on_own_stack


def local_spec(recipe: str, *overrides: str) -> dict[str, Any]:
    pipeline = on_own_stack(lambda: build_pipeline(load_recipe(recipe, overrides), on_cluster=False))
    values: dict[str, Any] = MessageToDict(pipeline.pipeline_spec)
    return values


def local_steps(recipe: str, *overrides: str) -> dict[str, Step]:
    return {step.name: step for step in read_steps(local_spec(recipe, *overrides), list(COMPONENTS))}


@pytest.mark.parametrize("recipe", sorted(builtin_recipes()))
def test_every_recipe_compiles_to_ir_that_kfp_loads(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    checked = load_recipe(recipe)
    on_own_stack(lambda: Compiler().compile(build_pipeline(checked), str(file)))
    loaded = kfp_components.load_component_from_file(str(file))
    judged = len(checked.infer.subjects) * len(checked.infer.strategies)
    spec = MessageToDict(loaded.pipeline_spec)
    inner = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    assert set(spec["root"]["dag"]["tasks"]) == {"exit-handler-1", "finish"}
    assert len(inner) == 6 + len(checked.infer.subjects) + judged + 2


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    recipe = load_recipe("local")
    on_own_stack(lambda: [Compiler().compile(build_pipeline(recipe), str(file)) for file in files])
    assert files[0].read_bytes() == files[1].read_bytes()


def test_steps_come_after_what_they_need_and_bear_names() -> None:
    steps = local_steps("smoke")
    seen: set[str] = set()
    for step in steps.values():
        assert all(producer in seen for producer, _ in step.inputs.values())
        assert all(value.step in seen for value in step.parameters.values() if isinstance(value, Output))
        seen.add(step.key)
    names = list(steps)
    assert names[:6] == ["prepare", "generate", "clean", "dedup", "split", "train"]
    assert names[-3:] == ["report", "promote", "finish"]
    assert set(names[6:-3]) == {f"infer-{subject}" for subject in SUBJECTS} | {
        f"judge-{subject}-{strategy}" for subject in SUBJECTS for strategy in STRATEGIES
    }


def test_the_same_steps_and_edges_run_on_one_machine_and_on_a_cluster() -> None:
    cluster: dict[str, Any] = MessageToDict(
        on_own_stack(lambda: build_pipeline(load_recipe("smoke"))).pipeline_spec
    )
    inner = cluster["components"]["comp-exit-handler-1"]["dag"]["tasks"]
    edges = {
        task["taskInfo"]["name"]: {
            name: value["taskOutputArtifact"]["producerTask"]
            for name, value in task.get("inputs", {}).get("artifacts", {}).items()
        }
        for task in inner.values()
    }
    local = {
        name: {artifact: producer for artifact, (producer, _) in step.inputs.items()}
        for name, step in local_steps("smoke").items()
        if not step.always
    }
    assert edges == local


def test_what_the_cache_takes_for_the_dag_is_the_dag() -> None:
    steps = local_steps("smoke")
    by_key = {step.key: step.name for step in steps.values()}
    reusable = {name: step for name, step in steps.items() if step.cacheable}
    assert set(reusable) == set(NEEDS) == set(step_settings(load_recipe("smoke")))
    for name, step in reusable.items():
        # A protobuf map has no order.
        assert {by_key[producer] for producer, _ in step.inputs.values()} == set(NEEDS[name])


def test_the_base_student_is_answered_without_waiting_for_training() -> None:
    steps = local_steps("smoke")
    assert not steps["infer-base"].inputs
    assert steps["infer-tuned"].inputs["tuned"][1] == "model"


def test_each_judge_reads_the_answers_of_its_own_subject_and_strategy() -> None:
    steps = local_steps("smoke")
    for subject in SUBJECTS:
        for strategy in STRATEGIES:
            producer, output = steps[f"judge-{subject}-{strategy}"].inputs["answers"]
            assert producer == steps[f"infer-{subject}"].key
            assert output == f"answers_{strategy.replace('-', '_')}"


def test_a_recipe_with_fewer_strategies_has_fewer_steps() -> None:
    steps = local_steps("smoke", "infer.strategies=[1-shot]", "infer.subjects=[tuned]")
    assert list(steps)[6:-3] == ["infer-tuned", "judge-tuned-1-shot"]


def test_only_the_exit_step_is_taken_whatever_became_of_the_others() -> None:
    assert [name for name, step in local_steps("smoke").items() if step.always] == ["finish"]


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_components_are_thin_and_documented(name: str) -> None:
    component = COMPONENTS[name]
    source = inspect.getsource(component.python_func)
    _, _, body = source.rpartition('"""')
    # A line for each field of the form is no logic.
    lines = [line for line in body.splitlines() if line.strip() and not re.match(r'^ {8}"\w+": \w+,$', line)]
    assert len(lines) <= 24
    documented = set(re.findall(r"^ {8}(\w+): ", component.python_func.__doc__ or "", flags=re.MULTILINE))
    assert documented == set(inspect.signature(component.python_func).parameters)


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_every_step_has_scalar_metrics(name: str) -> None:
    outputs = COMPONENTS[name].component_spec.outputs
    assert [key for key, output in outputs.items() if output.type.startswith("system.Metrics@")] == [
        "metrics"
    ]


def test_images_are_named_in_one_place_and_follow_the_engine() -> None:
    executors = local_spec("smoke")["deploymentSpec"]["executors"]
    used = {name: executor["container"]["image"] for name, executor in executors.items()}
    assert set(used.values()) == {images.CPU, images.TRAIN}
    assert used["exec-train"] == used["exec-infer"] == images.TRAIN
    assert images.for_inference(load_recipe("gukbap-mistral-7b").infer) == images.VLLM
