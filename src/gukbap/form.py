"""The run form of the Kubeflow UI: which values of a recipe it offers, and how they come back.

A field stands for one or more keys of the recipe. Its type and default are the recipe's own value; a
key that is null in the recipe has no field, since KFP's form knows no empty number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import Recipe
from gukbap.recipes import check_recipe

#: the form's field that says whether new data is made, and its values
FRESHNESS = "freshness"
REUSE, ALWAYS = "reuse", "always"


@dataclass(frozen=True)
class Field:
    """One field: its name in the form, the recipe's keys that it sets, and what it tells the user."""

    name: str
    kind: type[str | int | float | list[Any]]
    keys: Sequence[str]
    description: str


FIELDS = (
    Field("teacher_model", str, ["teacher.model"], "Open model that writes the data, by its server's name."),
    Field(
        "teacher_base_url", str, ["teacher.base_url"], "OpenAI-compatible server of the teacher, with /v1."
    ),
    Field(
        "teacher_licence",
        str,
        ["teacher.licence"],
        "Licence of the teacher's weights; another teacher, another licence.",
    ),
    Field("seed_count", int, ["generate.seed_count"], "How many seed instructions are drawn."),
    Field("rounds", int, ["generate.rounds"], "Evol-Instruct rounds, 0 to 16."),
    Field("max_rows", int, ["generate.max_rows"], "Generation stops when so many rows are kept."),
    Field("epochs", int, ["train.epochs"], "Passes over the training rows."),
    Field("learning_rate", float, ["train.learning_rate"], "Peak learning rate of the fine-tuning."),
    Field("train_gpus", int, ["cluster.train.gpus", "train.processes"], "GPUs of the one training pod."),
    Field(
        "infer_gpus", int, ["cluster.infer.gpus", "infer.tensor_parallel_size"], "GPUs of each answering pod."
    ),
    Field("strategies", list, ["infer.strategies"], "Prompt strategies: default, 1-shot, cot-1-shot."),
    Field("judge_model", str, ["judge.endpoint.model"], "Model that judges; never the teacher."),
    Field("min_gain", float, ["promote.min_gain"], "Points of 10 that the gain's lower bound must be above."),
    Field("seed", int, ["seed"], "Seed of every random choice."),
)


def fields_of(recipe: Recipe) -> list[Field]:
    """The fields that a recipe's form has: those whose keys hold a value (GPU fields: above 0)."""
    return [
        field
        for field in FIELDS
        if (value := value_at(recipe, field)) is not None and not ("gpus" in field.name and value == 0)
    ]


def value_at(recipe: Recipe, field: Field) -> Any:
    """The recipe's own value of a field: the form's default."""
    value: Any = recipe
    for part in field.keys[0].split("."):
        value = getattr(value, part)
    return value


def apply_form(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with the form's values; fields that its form does not offer are not read.

    Raises:
        ConfigError: a value is not allowed; the form's field and the recipe's key are named.
    """
    changed = recipe.model_dump(mode="json")
    given = [field for field in fields_of(recipe) if field.name in values]
    for field in given:
        for key in field.keys:
            *sections, last = key.split(".")
            place = changed
            for section in sections:
                place = place[section]
            place[last] = values[field.name]
    if changed["teacher"]["model"] != recipe.teacher.model:
        changed["teacher"]["revision"] = None  # that of the recipe's own teacher
    different = [field.name for field in given if values[field.name] != value_at(recipe, field)]
    return check_recipe(changed, where=f"{recipe.name} with the form's {', '.join(different) or 'values'}")
