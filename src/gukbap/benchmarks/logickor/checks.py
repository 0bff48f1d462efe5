"""Upstream's two files, checked against what LogicKor is: every mistake is named, not only the first."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from pydantic import ValidationError

from gukbap.benchmarks.logickor.literals import read_literals
from gukbap.benchmarks.packs import JudgeTemplates
from gukbap.benchmarks.questions import TURNS, QuestionLine
from gukbap.benchmarks.strategies import KNOWN_STRATEGIES, few_shot
from gukbap.errors import InputError
from gukbap.files import canonical_json, nfc
from gukbap.schemas import CATEGORIES, Message, Question, Strategy

QUESTIONS = "questions.jsonl"
TEMPLATES = "templates.py"
STRATEGY_NAME, JUDGE_NAME = "PROMPT_STRATEGY", "JUDGE_TEMPLATE"

#: LogicKor's size (method facts, "LogicKor generation").
PER_CATEGORY, WITH_REFERENCE = 7, 25
QUESTION_COUNT = PER_CATEGORY * len(CATEGORIES)


@dataclass
class Content:
    """What an import found: the content, what is wrong with it, and what a user should know."""

    questions: list[Question] = field(default_factory=list)
    strategies: dict[Strategy, list[Message]] = field(default_factory=dict)
    judge: JudgeTemplates | None = None
    problems: list[str] = field(default_factory=list)
    #: departures from LogicKor's size, which the user may allow
    odd_sizes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def categories(self) -> dict[str, int]:
        """Category → how many questions, in the order of LogicKor's tables."""
        counts = Counter(question.category for question in self.questions)
        return {category: counts[category] for category in CATEGORIES if counts[category]}

    @property
    def with_reference(self) -> int:
        """How many questions have a reference in at least one turn."""
        return sum(any(question.references) for question in self.questions)


def check(files: Mapping[str, bytes], unusable: Mapping[str, str]) -> Content:
    """Read and check upstream's files.

    Args:
        files: the bytes of questions.jsonl and templates.py; a file may be missing.
        unusable: file → why it is there and yet not among `files`.
    """
    content = Content()
    texts = dict(_texts(files, unusable, content))
    if QUESTIONS in texts:
        _check_questions(texts[QUESTIONS], content)
    if TEMPLATES in texts:
        _check_templates(texts[TEMPLATES], content)
    return content


def _texts(
    files: Mapping[str, bytes], unusable: Mapping[str, str], content: Content
) -> Iterator[tuple[str, str]]:
    for name in (QUESTIONS, TEMPLATES):
        if name not in files:
            content.problems.append(unusable.get(name, f"there is no {name}"))
            continue
        try:
            text = files[name].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            content.problems.append(f"{name}: byte {error.start} is not UTF-8")
            continue
        if nfc(text) != text:
            content.notes.append(f"{name}: text outside Unicode normal form C was brought into it")
        yield name, text


def _check_questions(text: str, content: Content) -> None:
    first_line: dict[int, int] = {}
    broken = False
    # Not str.splitlines(): U+2028 and friends may stand inside a JSON string.
    for number, raw in enumerate(text.split("\n"), start=1):
        if not raw.strip():
            continue
        where = f"{QUESTIONS}, line {number}"
        line, problems = _parsed(raw, where)
        if line is not None and line.id in first_line:
            problems.append(f"{where}: id {line.id} stands already on line {first_line[line.id]}")
        content.problems += problems
        if line is None or problems:
            broken = True
            continue
        first_line[line.id] = number
        content.questions.append(line.asked)
        if len(line.questions) > TURNS:
            content.notes.append(
                f"question {line.id} has {len(line.questions)} turns; LogicKor asks two, the rest is left out"
            )
    # Counting what is left of broken lines would only repeat what was said about them.
    if not broken:
        content.odd_sizes += _odd_sizes(content)


def _parsed(raw: str, where: str) -> tuple[QuestionLine | None, list[str]]:
    try:
        line = QuestionLine.model_validate(json.loads(raw))
        # An escape can name half a character, which no UTF-8 file can hold.
        canonical_json(line.model_dump()).encode("utf-8")
    except ValidationError as error:
        return None, [f"{where}: {_path(one['loc'])}{one['msg']}" for one in error.errors()]
    except json.JSONDecodeError as error:
        return None, [f"{where}: not JSON ({error.msg} at column {error.colno})"]
    # A number of thousands of digits, or brackets nested as deep: both are beyond Python's limits.
    except (ValueError, RecursionError) as error:
        return None, [f"{where}: cannot be read ({error})"]
    turns, references = len(line.questions), len(line.references)
    if references not in (TURNS, turns):
        return line, [f"{where}: {references} references for {turns} questions"]
    return line, []


def _path(location: tuple[int | str, ...]) -> str:
    return "".join(f"{part}." for part in location).rstrip(".") + ": " if location else ""


def _odd_sizes(content: Content) -> list[str]:
    found = []
    if len(content.questions) != QUESTION_COUNT:
        found.append(f"{QUESTIONS}: {len(content.questions)} questions, not {QUESTION_COUNT}")
    counts = content.categories
    found += [
        f"{QUESTIONS}: {counts.get(category, 0)} questions of {category}, not {PER_CATEGORY}"
        for category in CATEGORIES
        if counts.get(category, 0) != PER_CATEGORY
    ]
    if content.with_reference != WITH_REFERENCE:
        found.append(f"{QUESTIONS}: {content.with_reference} questions have references, not {WITH_REFERENCE}")
    return found


def _check_templates(text: str, content: Content) -> None:
    values, problems = read_literals(text, (STRATEGY_NAME, JUDGE_NAME), TEMPLATES)
    content.problems += problems
    if STRATEGY_NAME in values:
        _check_strategies(values[STRATEGY_NAME], content)
    if JUDGE_NAME in values:
        _check_judge(values[JUDGE_NAME], content)


def _check_strategies(values: Any, content: Content) -> None:
    if not isinstance(values, dict):
        content.problems.append(f"{TEMPLATES}: {STRATEGY_NAME} is no mapping of names to messages")
        return
    for name in get_args(Strategy):
        if name not in values:
            content.problems.append(f"{TEMPLATES}: {STRATEGY_NAME} has no {name!r}")
            continue
        if not isinstance(values[name], list):
            content.problems.append(f"{TEMPLATES}: strategy {name!r} is no list of messages")
            continue
        try:
            content.strategies[name] = few_shot(TEMPLATES, name, values[name])
        except InputError as error:
            content.problems.append(error.problem)
    content.notes += [
        f"strategy {name!r} is left out: known are {', '.join(KNOWN_STRATEGIES)}"
        for name in values
        if name not in KNOWN_STRATEGIES
    ]


def _check_judge(values: Any, content: Content) -> None:
    if not isinstance(values, dict):
        content.problems.append(f"{TEMPLATES}: {JUDGE_NAME} is no mapping of names to texts")
        return
    wanted = {name: values[name] for name in JudgeTemplates.model_fields if name in values}
    try:
        content.judge = JudgeTemplates.model_validate(wanted)
    except ValidationError as error:
        content.problems += [
            f"{TEMPLATES}: {JUDGE_NAME}: {_path(one['loc'])}{one['msg']}" for one in error.errors()
        ]
    content.notes += [f"judge template {name!r} is left out" for name in values if name not in wanted]
