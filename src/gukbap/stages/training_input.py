"""What training data are read through: nothing of an evaluation gets in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from gukbap.errors import InputError
from gukbap.files import each_jsonl, read_jsonl
from gukbap.schemas import Record
from gukbap.spool import Spool

Training = TypeVar("Training", bound=Record)

#: what a record is, by fields that only it has
_EVALUATION = (
    ("a judgement", {"judge", "raw_reply"}),
    ("a judged answer of LogicKor's", {"outputs", "query_single"}),
    ("an answer to evaluation questions", {"outputs"}),
    ("an evaluation question", {"questions", "references"}),
)


def read_training(path: Path, record_type: type[Training]) -> list[Training]:
    """Read seeds or rows, as `files.read_jsonl` does.

    Records refuse fields that are not theirs, so nothing of an evaluation can be read as a row. Where
    that was tried, it is said in so many words: a model that learnt from a judge's words, or from what
    it will be asked, has scores that mean nothing, and judges are often private models.

    Raises:
        InputError: the file holds something of an evaluation, or is missing, empty or malformed.
    """
    with reading_training(path, record_type):
        return read_jsonl(path, record_type)


def spool_training(path: Path, record_type: type[Training], folder: Path) -> Spool[Training]:
    """As `read_training`, for more records than memory should hold: they lie in a file in a folder."""
    with reading_training(path, record_type):
        return Spool(each_jsonl(path, record_type), folder=folder)


@contextmanager
def reading_training(path: Path, record_type: type[Record]) -> Iterator[None]:
    """Where the block cannot read the file, say so if the reason is that it holds an evaluation.

    Raises:
        InputError: the block's own, or one about the evaluation.
    """
    try:
        yield
    except InputError:
        refuse_evaluation(path, record_type)
        raise


def refuse_evaluation(path: Path, record_type: type[Record]) -> None:
    """Stop where a JSON Lines file holds something of an evaluation.

    Raises:
        InputError: names the first such line.
    """
    found = _evaluation_record(path)
    if found is None:
        return
    line, kind = found
    raise InputError(
        f"{path}, line {line}: {kind}, which must never become training data",
        expected=f"{record_type.__name__} records, as `gukbap generate` reads or writes them",
        fix="give the file of seeds or rows; judgements go to `gukbap score` and `gukbap report`, "
        "answers to `gukbap judge`",
    ) from None


def _evaluation_record(path: Path) -> tuple[int, str] | None:
    """The first line that holds something of an evaluation, and what; None where none does."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                value = json.loads(line)
            except ValueError:  # no JSON, or no UTF-8
                continue
            if isinstance(value, dict):
                for kind, fields in _EVALUATION:
                    if fields <= value.keys():
                        return number, kind
    return None
