"""Small conversations and settings for the tests of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gukbap.config import TrainSettings
from gukbap.schemas import Message, Row
from tests.lineages import lineage

_WORDS = ("국밥", "김치", "바다", "산책", "도서관", "기차", "아침", "노을", "편지", "시장")


def row(number: int, *pairs: tuple[str, str], system: str | None = None) -> Row:
    """A row with the given question and answer pairs."""
    messages = [Message(role="system", content=system)] if system else []
    for question, answer in pairs:
        messages += [Message(role="user", content=question), Message(role="assistant", content=answer)]
    return Row(id=f"r{number}", category="everyday", messages=messages, lineage=lineage(f"s{number}"))


def rows(count: int) -> list[Row]:
    """Rows of different lengths."""
    return [
        row(n, (f"{_WORDS[n % 10]} {n}?", "네, " + " ".join(_WORDS[: 1 + n % 4]) + "입니다."))
        for n in range(count)
    ]


def settings(max_length: int = 256, template: str = "mistral-v0.2", **train: Any) -> TrainSettings:
    """Settings for a few fast steps on a CPU."""
    values = {
        "epochs": 2,
        "learning_rate": 1e-3,
        "per_device_batch_size": 2,
        "gradient_accumulation": 2,
        "precision": "float32",
        "gradient_checkpointing": False,
        "save_every_steps": 2,
        "dev_max_new_tokens": 8,
        **train,
    }
    student = {
        "model": "random://mistral-tiny?seed=1",
        "chat_template": template,
        "max_length": max_length,
    }
    return TrainSettings.model_validate({"seed": 7, "student": student, "train": values})


def weights(folder: Path) -> dict[str, Any]:
    """A model folder's tensors by name."""
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))
