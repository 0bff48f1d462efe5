from __future__ import annotations

import pytest

from gukbap.errors import ConfigError
from gukbap.form import apply_form
from gukbap.recipes import load_recipe

RECIPE = load_recipe("gukbap-mistral-7b")


def test_a_form_left_as_it_is_changes_nothing() -> None:
    values = {"epochs": 2.0, "learning_rate": 4e-6, "strategies": ["default", "1-shot", "cot-1-shot"]}
    assert apply_form(RECIPE, values) == RECIPE


def test_fields_set_their_keys() -> None:
    changed = apply_form(RECIPE, {"epochs": 3, "train_gpus": 8, "teacher_model": "other/teacher"})
    assert changed.train.epochs == 3
    assert changed.cluster.train.gpus == changed.train.processes == 8
    assert changed.teacher.model == "other/teacher"
    assert changed.train.learning_rate == RECIPE.train.learning_rate


def test_another_teacher_does_not_inherit_the_revision() -> None:
    pinned = load_recipe("gukbap-mistral-7b", ["teacher.revision=abc123"])
    assert apply_form(pinned, {"teacher_model": pinned.teacher.model}).teacher.revision == "abc123"
    assert apply_form(pinned, {"teacher_model": "other/teacher"}).teacher.revision is None


def test_a_private_teacher_is_refused_from_the_form() -> None:
    with pytest.raises(ConfigError, match="gpt-4o is a private model"):
        apply_form(RECIPE, {"teacher_model": "gpt-4o"})


def test_a_field_that_the_form_does_not_offer_is_not_read() -> None:
    assert RECIPE.generate.seed_count is None
    assert apply_form(RECIPE, {"seed_count": 0}) == RECIPE


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 2.5}, "train.epochs"),
        ({"epochs": 0}, "train.epochs"),
        ({"learning_rate": -1.0}, "train.learning_rate"),
        ({"strategies": ["2-shot"]}, "infer.strategies"),
        ({"strategies": []}, "infer.strategies"),
        ({"train_gpus": 1}, "fsdp"),
        ({"judge_model": "microsoft/WizardLM-2-8x22B"}, "must not judge"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(values: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        apply_form(RECIPE, values)
    assert words in str(refused.value)
    assert next(iter(values)) in str(refused.value)
