"""A repository of LogicKor's shape with words of the tests' own, as a checkout and as archives."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from gukbap.schemas import CATEGORIES

SHA = "0123456789abcdef0123456789abcdef01234567"
OTHER_SHA = "f" * 40

#: Literals in all the ways that are allowed: parentheses, triple quotes, +, joined literals.
TEMPLATES = '''
"""Words for a test."""
import os

PROMPT_STRATEGY = {
    "default": [],
    "1-shot": [
        {"role": "user", "content": "바다는 왜 짠가요?"},
        {"role": "assistant", "content": ("강물이 나르는 " "소금 때문" + "입니다.")},
    ],
    "cot-1-shot": [
        {"role": "system", "content": """차근차근
생각하세요."""},
        {"role": "user", "content": "셋 더하기 넷은?"},
        {"role": "assistant", "content": "셋에 넷을 더하면 " + "일곱" + "입니다."},
    ],
}

JUDGE_TEMPLATE: dict[str, str] = {
    "single_turn": """한 번의 답을 평가하세요.
점수: 0-10""",
    "multi_turn": ("두 번째 답을 " "평가하세요."),
}
'''


def lines() -> list[dict[str, Any]]:
    """42 questions, seven a category, 25 with a reference; question 3 has a third turn."""
    made: list[dict[str, Any]] = []
    for number in range(1, 43):
        made.append(
            {
                "id": number,
                "category": CATEGORIES[(number - 1) // 7],
                "questions": [f"{number}번의 첫 질문은?", f"{number}번의 둘째 질문은?"],
                "references": [f"{number}번의 답" if number <= 25 else None, None],
            }
        )
    made[2]["questions"].append("묻지 않는 질문은?")
    return made


def jsonl(values: list[dict[str, Any]]) -> bytes:
    """Lines as a file's bytes."""
    texts = [json.dumps(value, ensure_ascii=False) + "\n" for value in values]
    # Half a character can only be written as an escape.
    return "".join(texts).encode("utf-8", errors="backslashreplace")


def files() -> dict[str, bytes]:
    """The two files that are imported, and one that is not."""
    return {
        "questions.jsonl": jsonl(lines()),
        "templates.py": TEMPLATES.encode(),
        "README.md": b"notes",
    }


def checkout(folder: Path, content: Mapping[str, bytes] | None = None) -> Path:
    """A checkout without .git."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in (files() if content is None else content).items():
        (folder / name).write_bytes(value)
    return folder


def zipped(content: Mapping[str, bytes], comment: str = "") -> bytes:
    """A zip archive of these members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, value in content.items():
            archive.writestr(name, value)
        archive.comment = comment.encode()
    return packed.getvalue()


def tarred(content: Mapping[str, bytes], kind: Literal["", "gz"] = "gz", comment: str = "") -> bytes:
    """A tar archive of these members."""
    packed = io.BytesIO()
    headers = {"comment": comment} if comment else {}
    mode: Literal["w:gz", "w:"] = "w:gz" if kind else "w:"
    with tarfile.open(fileobj=packed, mode=mode, pax_headers=headers) as archive:
        for name, value in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(value)
            archive.addfile(info, io.BytesIO(value))
    return packed.getvalue()


def below(top: str, content: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """The members under one top folder, as GitHub makes them."""
    return {f"{top}/{name}": value for name, value in (files() if content is None else content).items()}
