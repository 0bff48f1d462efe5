"""Lineages for tests of stages that only hand them on."""

from __future__ import annotations

from typing import Any

from gukbap.schemas import Call, Lineage, Teacher

TEACHER = Teacher(model="scripted (not a model)", licence="Apache-2.0")


def call(key: str = "call", **values: Any) -> Call:
    """A call of no meaning."""
    fields = {
        "prompt_sha256": "0" * 64,
        "text_sha256": "0" * 64,
        "temperature": 1.0,
        "top_p": 0.95,
        "max_tokens": 64,
        "seed": 1,
    }
    return Call.model_validate({"key": key, **fields, **values})


def lineage(seed_id: str = "s", round: int = 0, **values: Any) -> Lineage:
    """A lineage of no meaning, with the given values."""
    fields = {"teacher": TEACHER, "answer_call": call(), "version": "0.0"}
    return Lineage.model_validate({"seed_id": seed_id, "round": round, **fields, **values})
