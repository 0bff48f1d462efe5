"""The generate stage on files: seeds are had and drawn, the teacher is opened, replies are journalled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from gukbap.config import BudgetConfig, Endpoint, GenerateSettings
from gukbap.files import sha256_file, write_json, write_jsonl
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors

if TYPE_CHECKING:
    from gukbap.ports import ChatModel, Progress
    from gukbap.schemas import Seed
    from gukbap.stages.batch import Pending
    from gukbap.stages.generate import GenerateResult
    from gukbap.workers.batch import BatchFiles


@leaving_errors
def run_generate(
    settings: GenerateSettings,
    *,
    rows: Path,
    dropped: Path,
    seeds: Path,
    statistics: Path,
    batch: BatchFiles | None = None,
) -> Outcome:
    """Evolve and answer the seeds; writes kept rows, dropped candidates, and the seeds that were evolved.

    Where the data set grows, rows and seeds of its base come first, and only new seeds are evolved.

    With `batch` nothing is sent: results are read, and the next requests written. Then PendingError is
    raised until all replies are there.
    """
    from gukbap.stages.batch import PendingError
    from gukbap.stages.generate import generate
    from gukbap.workers.batch import take_results
    from gukbap.workers.data_versions import fetch_base
    from gukbap.workers.seeds import seeds_to_evolve
    from gukbap.workers.teacher import teacher_of

    progress, base = context.progress(), fetch_base(settings.data)
    before = base.seeds() if base else []
    drawn = seeds_to_evolve(settings, before, progress)
    # A larger budget goes on with what a smaller one has paid for.
    unbounded = settings.model_copy(update={"budget": BudgetConfig()})
    folder = context.stage_folder(unbounded, (seed.model_dump_json() for seed in drawn.seeds))
    with context.tracked(settings.step, settings) as log, context.journal(folder) as journal:
        model, pending = _teacher(settings.teacher, batch, progress)
        if batch is not None:
            take_results(batch, settings.teacher, journal, progress)
        teacher = teacher_of(settings.teacher, model.name, progress)
        try:
            result = generate(
                settings,
                drawn.seeds,
                model,
                teacher,
                journal,
                progress,
                pending=pending,
                grows=base is not None,
            )
        except PendingError:
            if batch is not None and pending is not None:
                pending.write(batch.requests)
            raise
        count = write_jsonl(rows, chain(base.rows() if base else [], result.each_row()))
        write_jsonl(dropped, result.each_dropped())
        write_jsonl(seeds, chain(before, _evolved(settings, drawn.seeds, result)))
        made = {"rows": count, "sha256": sha256_file(rows), "teacher": model.name}
        grown = {"kept": count, "earlier_rows": base.manifest.rows, **drawn.statistics} if base else {}
        outcome = Outcome({**result.statistics, **grown}, made)
        log(outcome)
    write_json(statistics, outcome.statistics)
    return outcome


def _evolved(settings: GenerateSettings, seeds: Sequence[Seed], result: GenerateResult) -> Iterable[Seed]:
    """The seeds that had their turn: with `max_rows` the last ones may have had none."""
    if settings.generate.max_rows is None:
        return seeds
    tried = {candidate.seed_id for candidate in chain(result.kept, result.failed)}
    return (seed for seed in seeds if seed.id in tried)


def _teacher(
    endpoint: Endpoint, batch: BatchFiles | None, progress: Progress
) -> tuple[ChatModel, Pending | None]:
    from gukbap.adapters.chat_models import open_chat
    from gukbap.workers.batch import open_batch

    if batch is not None:
        return open_batch(endpoint)
    return open_chat(endpoint, progress), None
