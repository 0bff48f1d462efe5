"""Judged files of any origin: found, read and checked to be whole."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gukbap.benchmarks.evaluated import LOGICKOR_QUESTIONS, UNKNOWN_JUDGE, is_evaluated, read_evaluated
from gukbap.errors import InputError
from gukbap.files import read_jsonl, read_text
from gukbap.schemas import CATEGORIES, Judgement

#: how many of a long list of findings are named
_NAMED = 5


@dataclass(frozen=True)
class Judged:
    """Judgements, and what had to be overlooked to use them."""

    judgements: list[Judgement]
    #: one sentence each; empty where the files are whole
    notes: list[str] = field(default_factory=list)


def read_judged(sources: Sequence[Path], *, lenient: bool = False) -> Judged:
    """The judgements of files and folders; each file is LogicKor's evaluated format or our own.

    Args:
        sources: files, or folders (a run's, LogicKor's `evaluated`) whose judged files are taken.
        lenient: use files with missing questions, and of a repeated one the first, and say so.

    Raises:
        InputError: a file is missing or malformed or no judged file, a folder holds none; or, unless
            lenient, questions are missing or stand twice.
    """
    by_file = {path: _read(path) for path in _files(sources)}
    kept, repeated = _first_of_each(by_file)
    findings = [*repeated, *_missing(kept)]
    if findings and not lenient:
        raise InputError(
            "; ".join(findings),
            expected="every asked question once, with both turns",
            fix="mend the files, or allow it with --allow-incomplete: the table then says so",
        )
    return Judged(kept, findings)


def _files(sources: Sequence[Path]) -> list[Path]:
    files: dict[Path, None] = {}
    for source in sources:
        if not source.is_dir():
            files[source] = None
            continue
        found = [path for path in sorted(source.rglob("*.jsonl")) if _is_judged(path)]
        if not found:
            raise InputError(
                f"{source} holds no judged file",
                expected="a run's folder, or one with LogicKor's evaluated files",
            )
        files.update(dict.fromkeys(found))
    return list(files)


def _is_judged(path: Path) -> bool:
    return is_evaluated(path) or '"unscored_reason"' in read_text(path).partition("\n")[0]


def _read(path: Path) -> list[Judgement]:
    if is_evaluated(path):
        return read_evaluated(path)
    if not _is_judged(path) and read_text(path).strip():
        raise InputError(
            f"{path} holds no judgements",
            expected="LogicKor's evaluated format (with query_single) or judgements of `gukbap judge`",
        )
    return read_jsonl(path, Judgement)


def _first_of_each(by_file: dict[Path, list[Judgement]]) -> tuple[list[Judgement], list[str]]:
    """Each verdict once, and a sentence on every model and strategy that has one twice."""
    first: dict[tuple[object, ...], Path] = {}
    kept: list[Judgement] = []
    repeated: dict[str, dict[int, set[Path]]] = defaultdict(lambda: defaultdict(set))
    for path, judgements in by_file.items():
        for judgement in judgements:
            key = (judgement.subject, judgement.strategy, *judgement.slot, judgement.sample)
            if key in first:
                name = f"{judgement.subject} {judgement.strategy}"
                repeated[name][judgement.question_id] |= {first[key], path}
            else:
                first[key] = path
                kept.append(judgement)
    sentences = [
        f"{name}: {_listed(questions)} repeated "
        f"(in {' and '.join(sorted({str(path) for paths in questions.values() for path in paths}))})"
        for name, questions in repeated.items()
    ]
    return kept, sentences


def _missing(judgements: Iterable[Judgement]) -> list[str]:
    groups: dict[str, list[Judgement]] = defaultdict(list)
    for judgement in judgements:
        groups[f"{judgement.subject} {judgement.strategy}"].append(judgement)
    return [f"{name}: {finding}" for name, group in groups.items() for finding in _gaps(group)]


def _gaps(group: Sequence[Judgement]) -> list[str]:
    asked, slots = group[0].asked, {judgement.slot for judgement in group}
    questions = {question for question, _ in slots}
    findings = []
    if len(questions) != asked:
        findings.append(f"{len(questions)} of {asked} questions" + _absent_ids(group[0], questions))
    halves = {question for question, _ in slots if len({(question, 1), (question, 2)} & slots) < 2}
    if halves:
        findings.append(f"{_listed(halves)} without one of the turns")
    if group[0].judge == UNKNOWN_JUDGE and len(questions) == asked == LOGICKOR_QUESTIONS:
        category = {judgement.question_id: judgement.category for judgement in group}
        counts = {name: list(category.values()).count(name) for name in CATEGORIES}
        if set(counts.values()) != {LOGICKOR_QUESTIONS // len(CATEGORIES)}:
            findings.append(f"categories of {counts}, LogicKor has 7 questions in each")
    return findings


def _absent_ids(one: Judgement, questions: set[int]) -> str:
    """Which ones are missing, where that is known: LogicKor counts its questions from 1."""
    if one.judge != UNKNOWN_JUDGE:
        return ""
    absent = set(range(1, one.asked + 1)) - questions
    return f", {_listed(absent)} missing" if absent else ""


def _listed(questions: Iterable[int]) -> str:
    ids = sorted(questions)
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"question{'s' if len(ids) > 1 else ''} {', '.join(map(str, ids[:_NAMED]))}{more}"
