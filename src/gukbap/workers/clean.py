"""The clean stage on files: the evaluation, the word list and the tokenizer are had first."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gukbap.benchmarks import Evaluation, file_texts, pack_texts
from gukbap.config import CleanSettings
from gukbap.errors import ConfigError, InputError
from gukbap.files import read_text, sha256_file, write_json, write_jsonl
from gukbap.ports import Progress
from gukbap.schemas import Row
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors
from gukbap.workers.fetched_files import local_file
from gukbap.workers.packs import local_pack

if TYPE_CHECKING:
    from gukbap.stages.clean.filters import TokenCounter


@leaving_errors
def run_clean(
    settings: CleanSettings, *, source: Path, rows: Path, excluded: Path, statement: Path, statistics: Path
) -> Outcome:
    """Take out leaks of the evaluation and rows of bad form; what went is kept beside with its reason."""
    from gukbap.stages.clean import clean
    from gukbap.stages.clean.statement import statement as state
    from gukbap.stages.training_input import spool_training

    progress = context.progress()
    with context.tracked(settings.step, settings) as log:
        evaluations = _evaluations(settings, progress)
        result = clean(
            settings,
            spool_training(source, Row, rows.parent),
            [text for one in evaluations for text in one.texts],
            progress,
            words=_words(settings.clean.toxic_words, progress),
            count_tokens=_token_counter(settings, progress),
            folder=rows.parent,
        )
        write_jsonl(rows, result.kept)
        write_jsonl(excluded, result.excluded)
        stated = state(settings, evaluations, result, sha256_file(rows))
        write_json(statement, stated)
        summary = {key: value for key, value in stated.items() if key != "leaks"}
        outcome = Outcome(
            {**result.statistics, "statement": summary},
            {"rows": len(result.kept), "statement_sha256": stated["sha256"]},
        )
        log(outcome)
    write_json(statistics, outcome.statistics)
    return outcome


def _evaluations(settings: CleanSettings, progress: Progress) -> list[Evaluation]:
    if not settings.clean.decontaminate:
        return []
    found = pack_texts(local_pack(settings.pack, progress), settings.strategies_file)
    for reference in settings.clean.benchmarks:
        path = local_file(reference, progress, "benchmark")
        if path.startswith("bundled://") or Path(path).is_dir():
            found += pack_texts(path, None)
        else:
            found.append(file_texts(Path(path.removeprefix("file://")).expanduser()))
    return found


def _words(reference: str | None, progress: Progress) -> list[str]:
    """The words of a list, one a line; lines that begin with # are none."""
    if reference is None:
        return []
    path = Path(local_file(reference, progress, "word list").removeprefix("file://")).expanduser()
    lines = map(str.strip, read_text(path).split("\n"))
    words = [line for line in lines if line and not line.startswith("#")]
    if not words:
        raise InputError(f"{path} holds no word", expected="clean.toxic_words: a word on each line")
    return words


def _token_counter(settings: CleanSettings, progress: Progress) -> TokenCounter | None:
    if settings.student is None:
        return None
    from gukbap.adapters.model_references import resolve_model

    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise ConfigError(
            "clean.min_tokens and clean.max_tokens need the student's tokenizer, and transformers is missing",
            fix="pip install 'gukbap[train]', or leave the bounds out",
        ) from error
    tokenizer: Any = AutoTokenizer.from_pretrained(resolve_model(settings.student.model, progress))
    return lambda text: len(tokenizer(text, add_special_tokens=False).input_ids)
