"""The prompt loader, and what every prompt file must keep to."""

from __future__ import annotations

import unicodedata
from importlib import resources
from importlib.resources.abc import Traversable

import pytest

from gukbap.prompts import placeholders, prompt


def _names(folder: Traversable, prefix: str = "") -> list[str]:
    names: list[str] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            names += _names(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".txt"):
            names.append(prefix + entry.name.removesuffix(".txt"))
    return sorted(names)


NAMES = _names(resources.files("gukbap.prompts"))


def test_fills_placeholders_and_leaves_values_alone() -> None:
    filled = prompt("evolve/request", instruction="값은 $5, ${operation}", operation="고쳐 쓴다.")
    assert "값은 $5, ${operation}" in filled
    assert "고쳐 쓴다." in filled
    assert not filled.endswith("\n")


def test_missing_and_extra_values_are_refused() -> None:
    with pytest.raises(TypeError, match="missing \\['operation'\\]"):
        prompt("evolve/request", instruction="가")
    with pytest.raises(TypeError, match="unknown \\['parent'\\]"):
        prompt("evolve/request", instruction="가", operation="나", parent="다")


def test_unknown_prompt_is_refused() -> None:
    with pytest.raises(LookupError, match="evolve/nothing"):
        prompt("evolve/nothing")


def test_result_is_in_normal_form_c() -> None:
    decomposed = unicodedata.normalize("NFD", "한국어")
    assert "한국어" in prompt("evolve/reply", instruction=decomposed)


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_valid_and_in_normal_form_c(name: str) -> None:
    text = prompt(name, **dict.fromkeys(placeholders(name), "값"))
    assert text.strip()
    raw = resources.files("gukbap.prompts").joinpath(f"{name}.txt").read_text("utf-8")
    assert unicodedata.is_normalized("NFC", raw)


def test_there_are_prompts_to_check() -> None:
    assert {"evolve/system", "answer/system", "eliminate/system"} <= set(NAMES)
