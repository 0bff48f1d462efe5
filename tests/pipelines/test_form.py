from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from gukbap.form import FIELDS
from gukbap.recipes import builtin_recipes, load_recipe
from pipelines.form import MAX_FIELDS
from pipelines.gukbap_pipeline import COMPONENTS, build_pipeline
from tests.shallow import on_own_stack


def compiled(recipe: str, *overrides: str) -> dict[str, Any]:
    spec = on_own_stack(lambda: build_pipeline(load_recipe(recipe, overrides))).pipeline_spec
    values: dict[str, Any] = MessageToDict(spec)
    return values


def inputs(recipe: str, *overrides: str) -> dict[str, Any]:
    spec = compiled(recipe, *overrides)
    values: dict[str, Any] = spec["root"]["inputDefinitions"]["parameters"]
    return values


@pytest.mark.parametrize("recipe", sorted(builtin_recipes()))
def test_a_form_is_short_typed_described_and_filled_in(recipe: str) -> None:
    form = inputs(recipe, "cluster.image_pull_secret=registry")
    assert len(form) <= MAX_FIELDS == 20
    for name, field in form.items():
        assert field["parameterType"] in {"STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "LIST"}, name
        assert len(field["description"]) > 15, name
        assert "defaultValue" in field, name


def test_the_reference_recipe_offers_what_a_user_changes() -> None:
    form = inputs("gukbap-mistral-7b")
    expected = {
        "teacher_model": ("STRING", "microsoft/WizardLM-2-8x22B"),
        "teacher_licence": ("STRING", "Apache-2.0"),
        "rounds": ("NUMBER_INTEGER", 12),
        "max_rows": ("NUMBER_INTEGER", 2400),
        "epochs": ("NUMBER_INTEGER", 2),
        "learning_rate": ("NUMBER_DOUBLE", 4e-6),
        "train_gpus": ("NUMBER_INTEGER", 4),
        "infer_gpus": ("NUMBER_INTEGER", 1),
        "strategies": ("LIST", ["default", "1-shot", "cot-1-shot"]),
        "min_gain": ("NUMBER_DOUBLE", 0),
        "secret": ("STRING", "gukbap"),
        "freshness": ("STRING", "reuse"),
    }
    for name, (kind, value) in expected.items():
        assert (form[name]["parameterType"], form[name]["defaultValue"]) == (kind, value), name
    assert "seed_count" not in form  # null in the recipe: all seeds


def test_every_field_of_the_form_reaches_the_prepare_step() -> None:
    parameters = COMPONENTS["prepare"].component_spec.inputs
    assert {field.name for field in FIELDS} <= set(parameters)
    spec = compiled("gukbap-mistral-7b")
    given = spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]["prepare"]["inputs"]["parameters"]
    for name in inputs("gukbap-mistral-7b"):
        if name != "secret":
            assert given[name] == {"componentInputParameter": f"pipelinechannel--{name}"}, name
    assert given["seed_count"] == {"runtimeValue": {"constant": 0}}
