from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from kfp import components as kfp_components
from kfp.compiler import Compiler

from components import images
from gukbap.recipes import builtin_recipes, load_recipe
from gukbap.runners.dag import read_steps
from pipelines.gukbap_pipeline import COMPONENTS, build_pipeline


def spec(recipe: str, *overrides: str) -> dict[str, Any]:
    values: dict[str, Any] = MessageToDict(build_pipeline(load_recipe(recipe, overrides)).pipeline_spec)
    return values


@pytest.mark.parametrize("recipe", sorted(builtin_recipes()))
def test_every_recipe_compiles_to_ir_that_kfp_loads(recipe: str, tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    checked = load_recipe(recipe)
    Compiler().compile(build_pipeline(checked), str(file))
    loaded = kfp_components.load_component_from_file(str(file))
    evaluations = len(checked.infer.subjects) * len(checked.infer.strategies)
    assert len(loaded.pipeline_spec.root.dag.tasks) == 4 + 2 * evaluations + 1


def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        Compiler().compile(build_pipeline(load_recipe("local")), str(file))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_steps_come_after_what_they_need_and_bear_names() -> None:
    steps = read_steps(spec("smoke"), list(COMPONENTS))
    seen: set[str] = set()
    for step in steps:
        assert all(producer in seen for producer, _ in step.inputs.values())
        seen.add(step.key)
    names = [step.name for step in steps]
    assert names[:4] == ["generate", "dedup", "split", "train"]
    assert names[-1] == "report"
    assert {f"{stage}-{subject}-{strategy}" for stage in ("infer", "judge") for subject in ("base", "tuned")
            for strategy in ("default", "1-shot", "cot-1-shot")} == set(names[4:-1])  # fmt: skip


def test_the_base_student_is_answered_without_waiting_for_training() -> None:
    steps = {step.name: step for step in read_steps(spec("smoke"), list(COMPONENTS))}
    assert not steps["infer-base-default"].inputs
    assert steps["infer-tuned-default"].inputs["tuned"][1] == "model"


def test_a_recipe_with_fewer_strategies_has_fewer_steps() -> None:
    steps = read_steps(spec("smoke", "infer.strategies=[1-shot]", "infer.subjects=[tuned]"), list(COMPONENTS))
    assert [step.name for step in steps][4:] == ["infer-tuned-1-shot", "judge-tuned-1-shot", "report"]


def test_training_asks_for_four_gpus_and_shared_memory(tmp_path: Path) -> None:
    file = tmp_path / "pipeline.yaml"
    Compiler().compile(build_pipeline(load_recipe("gukbap-mistral-7b")), str(file))
    pipeline, platform = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    train = pipeline["deploymentSpec"]["executors"]["exec-train"]["container"]["resources"]
    assert train["accelerator"] == {
        "count": "4",
        "resourceCount": "4",
        "resourceType": "nvidia.com/gpu",
        "type": "nvidia.com/gpu",
    }
    kubernetes = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert kubernetes["exec-train"]["emptyDirMounts"][0]["mountPath"] == "/dev/shm"
    [secret] = kubernetes["exec-generate"]["secretAsEnv"]
    assert secret["keyToEnv"] == [{"envVar": "DEEPINFRA_API_KEY", "secretKey": "DEEPINFRA_API_KEY"}]


def test_no_secret_value_reaches_the_compiled_pipeline(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEEPINFRA_API_KEY", "the-secret-value")
    monkeypatch.setenv("OPENAI_API_KEY", "the-other-secret")
    file = tmp_path / "pipeline.yaml"
    Compiler().compile(build_pipeline(load_recipe("gukbap-mistral-7b")), str(file))
    text = file.read_text(encoding="utf-8")
    assert "the-secret-value" not in text
    assert "the-other-secret" not in text


@pytest.mark.parametrize("name", sorted(COMPONENTS))
def test_components_are_thin_and_documented(name: str) -> None:
    component = COMPONENTS[name]
    source = inspect.getsource(component.python_func)
    _, _, body = source.rpartition('"""')
    assert len([line for line in body.splitlines() if line.strip()]) <= 24
    documented = set(re.findall(r"^ {8}(\w+): ", component.python_func.__doc__ or "", flags=re.MULTILINE))
    assert documented == set(inspect.signature(component.python_func).parameters)


def test_images_are_named_in_one_place() -> None:
    used = {
        executor["container"]["image"] for executor in spec("smoke")["deploymentSpec"]["executors"].values()
    }
    assert used <= {images.CPU, images.TRAIN, images.VLLM}
