"""Recipes as files: the built-in ones, overrides, and errors that name a wrong key's path."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from gukbap.config import Recipe
from gukbap.errors import ConfigError
from gukbap.files import read_text


def builtin_recipes() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    # Data beside the pipeline, found as a resource: a recipe's schema must not import what uses it.
    folder = Path(str(files("pipelines"))) / "recipes"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load_recipe(reference: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe by its name or file, apply `key.path=value` overrides, and check all of it.

    Raises:
        ConfigError: there is no such recipe, or a key or value is wrong (the key's path and the
            allowed values are named).
        InputError: the file cannot be read.
    """
    values = _read_yaml(_find_recipe(reference))
    for override in overrides:
        _apply(values, override)
    return check_recipe(values, where=reference)


def overridden(recipe: Recipe, overrides: Sequence[str], *, where: str) -> Recipe:
    """A recipe with further overrides; errors as `load_recipe` has them."""
    values = recipe.model_dump(mode="json")
    for override in overrides:
        _apply(values, override)
    return check_recipe(values, where=where)


def check_recipe(values: Mapping[str, Any], *, where: str) -> Recipe:
    """Check a recipe's values; ConfigError lists every wrong key with its path."""
    try:
        return Recipe.model_validate(values)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors(include_url=False)]
        raise ConfigError(
            f"recipe {where}: " + "; ".join(lines),
            fix="`gukbap config schema` lists every key with its type and meaning",
        ) from error


def _find_recipe(reference: str) -> Path:
    known = builtin_recipes()
    if reference in known:
        return known[reference]
    path = Path(reference)
    if path.suffix in (".yaml", ".yml") or path.exists():
        return path
    raise ConfigError(
        f"there is no recipe {reference!r}", expected=f"one of {', '.join(known)}, or a YAML file"
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {error}", expected="a mapping of recipe keys") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds {type(values).__name__}", expected="a mapping of recipe keys")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key.strip():
        raise ConfigError(
            f"override {override!r}", expected="key.path=value, for example train.learning_rate=4e-6"
        )
    *parents, last = key.strip().split(".")
    place = values
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise ConfigError(f"override {override!r}: {parent} is a value, not a section")
    try:
        place[last] = _number_or_yaml(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"override {override!r}: the value is not YAML ({error})") from error


def _number_or_yaml(text: str) -> Any:
    try:
        return float(text) if "e" in text.lower() else yaml.safe_load(text)  # YAML 1.1 reads 4e-6 as a string
    except ValueError:
        return yaml.safe_load(text)


def _explain(problem: Mapping[str, Any]) -> str:
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        allowed = _keys_at(problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), allowed, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        return f"unknown key {path} ({hint}allowed: {', '.join(allowed)})"
    if problem["type"] == "missing":
        return f"{path} is missing"
    message = str(problem["msg"]).removeprefix("Value error, ")
    given = "" if isinstance(problem["input"], dict | BaseModel) else f" (given: {problem['input']!r})"
    return f"{path}: {message}{given}" if path else message


def _keys_at(location: Sequence[Any]) -> list[str]:
    section: Any = Recipe
    for part in location:
        section = section.model_fields[part].annotation
    return sorted(section.model_fields)
