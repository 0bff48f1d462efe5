"""The texts of an evaluation, as decontamination looks for them: questions, references, few-shot examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.benchmarks.packs import load_strategies, open_pack
from gukbap.errors import InputError
from gukbap.files import canonical_json, read_text, sha256_file, sha256_text
from gukbap.schemas import EvaluationText


@dataclass(frozen=True)
class Evaluation:
    """The texts of one evaluation, and which evaluation it is."""

    name: str
    #: of the pack (see PackIdentity), the file, or the few-shot examples as canonical JSON
    sha256: str
    texts: list[EvaluationText]


def pack_texts(pack: str, strategies_file: str | None) -> list[Evaluation]:
    """Questions and references of a pack, and the few-shot examples that stand before its questions.

    Args:
        pack: as `open_pack` takes it. All of its questions count, however many of them are asked.
        strategies_file: as `load_strategies` takes it.

    Raises:
        InputError: as those two.
    """
    opened = open_pack(pack)
    name = opened.identity.name
    texts = [
        EvaluationText(id=f"{name} question {question.id} {kind} {turn}", text=text)
        for question in opened.questions
        for kind, given in (("turn", question.questions), ("reference", question.references))
        for turn, text in enumerate(given, start=1)
        if text
    ]
    strategies = load_strategies(strategies_file, pack)
    examples = [
        EvaluationText(id=f"strategy {strategy} message {number}", text=message.content)
        for strategy, messages in strategies.items()
        for number, message in enumerate(messages, start=1)
        if message.role != "system"  # tells how to answer, and is no example
    ]
    identity = sha256_text(canonical_json([one.model_dump(mode="json") for one in examples]))
    return [
        Evaluation(name, opened.identity.sha256, texts),
        Evaluation("few-shot examples", identity, examples),
    ]


def file_texts(path: Path) -> Evaluation:
    """Every text of a file: of JSON Lines each string in each line, of any other file each line.

    Raises:
        InputError: the file is missing, is no UTF-8, holds no text, or a line is no JSON.
    """
    lines = [
        (number, line) for number, line in enumerate(read_text(path).split("\n"), start=1) if line.strip()
    ]
    texts = [
        EvaluationText(id=f"{path.name} line {number}{place}", text=text)
        for number, line in lines
        for place, text in (
            _strings(_parsed(path, number, line)) if path.suffix == ".jsonl" else [("", line)]
        )
        if text.strip()
    ]
    if not texts:
        raise InputError(f"{path} holds no text", expected="JSON Lines with texts, or a text a line")
    return Evaluation(path.name, sha256_file(path), texts)


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}, line {number}: not JSON ({error.msg} at column {error.colno})",
            expected="a JSON value on each line of a .jsonl file",
            fix="mend the line, or name the file .txt, where each line is a text",
        ) from error


def _strings(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """Each string inside a JSON value with its place (" questions.0")."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, f"{place}.{key}" if place else f" {key}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _strings(inner, f"{place}.{number}" if place else f" {number}")
