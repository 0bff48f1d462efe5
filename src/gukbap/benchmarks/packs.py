"""Evaluation packs: what is asked, under which prompt strategies, and with which words it is judged."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from gukbap.benchmarks.questions import first_of_each, read_questions
from gukbap.benchmarks.strategies import read_strategies
from gukbap.errors import InputError
from gukbap.files import canonical_json, read_json, sha256_file, sha256_text
from gukbap.schemas import FilledText, Message, Question, Record, Strategy

BUNDLED_PACK = "bundled://offline-pack"
BUNDLED_STRATEGIES = "bundled://strategies"

RECORD_FILE = "pack.json"
QUESTIONS_FILE = "questions.jsonl"
STRATEGIES_FILE = "strategies.json"
JUDGE_FILE = "judge.json"
CONTENT_FILES = (QUESTIONS_FILE, STRATEGIES_FILE, JUDGE_FILE)

_KINDS = "a JSON Lines file in LogicKor's shape, or a folder made by `gukbap logickor import`"


class JudgeTemplates(Record):
    """The system messages with which a judge scores the first and the second turn."""

    single_turn: FilledText
    multi_turn: FilledText


class PackIdentity(Record):
    """Which pack it is. Packs of equal sha256 ask and judge the same, wherever they come from."""

    name: str
    #: the upstream commit, 40 hexadecimal digits; None where it is not known
    commit: str | None
    #: over the content, not over where it lies
    sha256: str


class PackRecord(Record):
    """What pack.json says: where the pack comes from, and what must lie beside it."""

    format: Literal[1] = 1
    name: str = Field(min_length=1)
    source: str
    commit: str | None = Field(pattern=r"^[0-9a-f]{40}$")
    #: upstream file → SHA-256 of its bytes
    upstream: dict[str, str]
    #: file of the pack → SHA-256 of its bytes
    files: dict[Literal["questions.jsonl", "strategies.json", "judge.json"], str]
    questions: int
    #: category → how many questions
    categories: dict[str, int]
    #: questions with a reference in at least one turn
    with_reference: int
    #: strategy → how many messages it puts before a question
    strategies: dict[Strategy, int]
    notes: list[str]
    gukbap_version: str

    @property
    def identity(self) -> PackIdentity:
        """Name, commit, and the SHA-256 over the names and hashes of the pack's files."""
        return PackIdentity(
            name=self.name, commit=self.commit, sha256=sha256_text(canonical_json(self.files))
        )


@dataclass(frozen=True)
class Pack:
    """A pack as it is used. `strategies` and `judge` are None where the pack brings none of its own."""

    questions: list[Question]
    strategies: dict[Strategy, list[Message]] | None
    judge: JudgeTemplates | None
    identity: PackIdentity


def open_pack(reference: str) -> Pack:
    """The pack behind a reference.

    Args:
        reference: "bundled://offline-pack", or the path (also as file://) of a JSON Lines file in
            LogicKor's shape or of a folder that `gukbap logickor import` made. The files of a folder
            are checked against its pack.json.

    Raises:
        InputError: there is nothing of the kind, it is malformed, or a file of a folder was changed.
    """
    path = _locate(reference, BUNDLED_PACK, "eval_pack.jsonl", _KINDS)
    if path.is_dir():
        return _open_folder(path)
    name = reference.removeprefix("bundled://") if reference == BUNDLED_PACK else path.stem
    questions = read_questions(path)
    return Pack(questions, None, None, PackIdentity(name=name, commit=None, sha256=sha256_file(path)))


def load_questions(reference: str, per_category: int | None) -> list[Question]:
    """The questions of a pack (see `open_pack`), in its order.

    Args:
        reference: as `open_pack` takes it.
        per_category: keep the first so many questions of each category; all when None.

    Raises:
        InputError: as `open_pack`.
    """
    return first_of_each(open_pack(reference).questions, per_category)


def load_strategies(reference: str | None, pack: str = BUNDLED_PACK) -> dict[Strategy, list[Message]]:
    """The few-shot messages that each prompt strategy puts before a question.

    Args:
        reference: "bundled://strategies", a pack folder, or a JSON file {strategy: [{role, content}, …]}.
            None: the pack's own strategies where it has them, else the bundled ones.
        pack: the pack whose questions are asked.

    Raises:
        InputError: the file is missing or malformed, a strategy is unknown, or its messages are not
            an optional system message followed by pairs of user and assistant.
    """
    if reference is None:
        own = open_pack(pack).strategies
        return own if own is not None else load_strategies(BUNDLED_STRATEGIES)
    path = _locate(reference, BUNDLED_STRATEGIES, "strategies.json", "a JSON file of strategies")
    if not path.is_dir():
        return read_strategies(path)
    strategies = _open_folder(path).strategies
    if strategies is None:
        raise InputError(f"the pack {path} has no strategies", expected="a pack with strategies.json")
    return strategies


def read_record(folder: Path) -> PackRecord:
    """The record of a pack folder, after its files were found to be what it says.

    Raises:
        InputError: the folder is no pack, or a file of it is missing or was changed.
    """
    path = folder / RECORD_FILE
    if not path.is_file():
        raise InputError(
            f"{folder} is no evaluation pack: it holds no {RECORD_FILE}",
            expected=_KINDS,
            fix=f"gukbap logickor import {folder} -o PACK, if this is a checkout of LogicKor",
        )
    try:
        record = PackRecord.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(
            f"{path}: {field}: {first['msg']}",
            expected="the record that `gukbap logickor import` writes",
            fix="import the pack again, with --force",
        ) from error
    _verify(folder, record)
    return record


def _verify(folder: Path, record: PackRecord) -> None:
    problems = [] if QUESTIONS_FILE in record.files else [f"{RECORD_FILE} names no {QUESTIONS_FILE}"]
    for name, expected in record.files.items():
        file = folder / name
        if not file.is_file():
            problems.append(f"{name} is missing")
        elif (found := sha256_file(file)) != expected:
            problems.append(f"{name} was changed (sha256 {found[:12]}…, not {expected[:12]}…)")
    problems += [
        f"{name} is not in {RECORD_FILE}"
        for name in CONTENT_FILES
        if name not in record.files and (folder / name).exists()
    ]
    if problems:
        raise InputError(
            f"the pack {folder} is not what was imported: {'; '.join(problems)}",
            expected=f"the files that {RECORD_FILE} names, unchanged",
            fix="import it again with --force; for questions of your own, give a JSON Lines file instead",
        )


def _open_folder(folder: Path) -> Pack:
    record = read_record(folder)
    return Pack(
        questions=read_questions(folder / QUESTIONS_FILE),
        strategies=read_strategies(folder / STRATEGIES_FILE) if STRATEGIES_FILE in record.files else None,
        judge=_read_judge(folder / JUDGE_FILE) if JUDGE_FILE in record.files else None,
        identity=record.identity,
    )


def _read_judge(path: Path) -> JudgeTemplates:
    try:
        return JudgeTemplates.model_validate(read_json(path))
    except ValidationError as error:
        raise InputError(
            f"{path} holds no judge templates", expected='{"single_turn": "…", "multi_turn": "…"}'
        ) from error


def _locate(reference: str, bundled: str, file: str, kind: str) -> Path:
    if reference == bundled:
        return Path(str(resources.files("gukbap.data").joinpath(file)))
    path = reference.removeprefix("file://")
    if "://" in path:
        raise InputError(f"nothing is known under {reference!r}", expected=f"{bundled}, or {kind}")
    return Path(path).expanduser()
