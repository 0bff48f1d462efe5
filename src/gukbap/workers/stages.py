"""Each stage on files: read the inputs, join the adapters to the stage, write the outputs.

Components and the command line call these; a stage itself knows neither files' places nor adapters.
Every worker returns an Outcome and has written its statistics as JSON.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from gukbap.config import (
    BaselineConfig,
    DedupSettings,
    InferSettings,
    JudgeSettings,
    Recipe,
    SplitSettings,
    TrainSettings,
)
from gukbap.files import (
    folder_fingerprint,
    read_json,
    read_jsonl,
    read_text,
    sha256_file,
    write_json,
    write_jsonl,
    write_text,
)
from gukbap.schemas import Answer, Record, Row, Strategy
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors


def _rows_metadata(path: Path, records: Sequence[Record]) -> dict[str, Any]:
    return {"rows": len(records), "sha256": sha256_file(path)}


def _done(outcome: Outcome, statistics: Path) -> Outcome:
    write_json(statistics, outcome.statistics)
    return outcome


@leaving_errors
def run_dedup(
    settings: DedupSettings,
    *,
    source: Path,
    rows: Path,
    removed: Path,
    statistics: Path,
    index: Path | None = None,
    seeds: Path | None = None,
    statement: Path | None = None,
) -> Outcome:
    """Remove near-duplicates; removed rows are kept beside with their keeper.

    `index`: a folder with what earlier runs kept, which takes up what this one keeps. `seeds`, `statement`:
    what a version of a growing data set has besides rows.
    """
    from gukbap.stages.dedup import dedup_file
    from gukbap.stages.training_input import reading_training
    from gukbap.workers.data_growth import grow

    progress = context.progress()
    with context.tracked(settings.step, settings) as log, reading_training(source, Row):
        work = context.stage_folder(settings, [sha256_file(source)] if source.is_file() else [])
        if settings.data is not None and seeds is not None and statement is not None:
            files = {"given": source, "seeds": seeds, "statement": statement, "kept": rows}
            done = grow(settings, settings.data, **files, removed=removed, work=work, progress=progress)
        else:
            done = dedup_file(settings, source, rows, removed, work, progress, index=index)
        outcome = Outcome(done, {"rows": done["kept"], "sha256": sha256_file(rows)})
        log(outcome)
    # The rows are in their place now; their chunks are only a burden.
    shutil.rmtree(work, ignore_errors=True)
    return _done(outcome, statistics)


@leaving_errors
def run_split(
    settings: SplitSettings, *, source: Path, train: Path, validation: Path, left_out: Path, statistics: Path
) -> Outcome:
    """Split rows into training, validation, and what stands on neither side, by family."""
    from gukbap.stages.provenance import refuse_foreign
    from gukbap.stages.split import split
    from gukbap.stages.training_input import read_training

    with context.tracked(settings.step, settings) as log:
        assembled = read_training(source, Row)
        refuse_foreign(assembled, str(source))
        result = split(settings, assembled)
        write_jsonl(train, result.train)
        write_jsonl(validation, result.validation)
        write_jsonl(left_out, result.left_out)
        outcome = Outcome(result.statistics, _rows_metadata(train, result.train))
        log(outcome)
    return _done(outcome, statistics)


@leaving_errors
def run_train(
    settings: TrainSettings, *, train_rows: Path, validation_rows: Path, model: Path, statistics: Path
) -> Outcome:
    """Fine-tune the student; writes the model folder."""
    from gukbap.adapters.model_references import resolve_model
    from gukbap.stages.train import train
    from gukbap.stages.training_input import read_training

    progress = context.progress()
    rows, validation = read_training(train_rows, Row), read_training(validation_rows, Row)
    folder = context.stage_folder(settings, (sha256_file(train_rows), sha256_file(validation_rows)))
    with context.tracked(settings.step, settings) as log:
        base = resolve_model(settings.student.model, progress)
        result = train(settings, rows, validation, base, model, folder, progress, log.tracker)
        outcome = Outcome(
            result.statistics, {"sha256": folder_fingerprint(model), "student": settings.student.model}
        )
        log(outcome)
    # The weights are safe in their place now; their copies in the checkpoints are only a burden.
    shutil.rmtree(folder, ignore_errors=True)
    return _done(outcome, statistics)


@leaving_errors
def run_infer(
    settings: InferSettings, *, tuned: Path | None, answers: Mapping[Strategy, Path], statistics: Path
) -> Outcome:
    """Answer the evaluation questions with the base or the tuned student, which is loaded once.

    `answers`: where the answers under each strategy of the settings are written.
    """
    from gukbap.adapters.engines import open_engine
    from gukbap.adapters.model_references import model_fingerprint, resolve_model
    from gukbap.stages.infer import infer
    from gukbap.workers.packs import evaluation_inputs

    progress = context.progress()
    questions, strategies = evaluation_inputs(settings.evaluate, progress)
    folder = tuned if tuned is not None else resolve_model(settings.student.model, progress)
    fingerprint = model_fingerprint(folder)
    name = f"{'tuned' if tuned is not None else settings.student.model}@{fingerprint[:12]}"
    # What is answered under one strategy counts whichever others are asked beside it, then or later.
    alone = settings.infer.model_copy(update={"strategies": []})
    work = context.stage_folder(
        settings.model_copy(update={"infer": alone}),
        chain([fingerprint], (question.model_dump_json() for question in questions)),
    )
    with context.tracked(settings.step, settings) as log, context.journal(work) as journal:
        engine = open_engine(settings, folder, name)
        try:
            result = infer(settings, questions, strategies, engine, journal, progress)
        finally:
            engine.close()
        rows = [write_jsonl(answers[strategy], given) for strategy, given in result.answers.items()]
        outcome = Outcome(result.statistics, {"rows": sum(rows), "model_sha256": fingerprint})
        log(outcome)
    return _done(outcome, statistics)


@leaving_errors
def run_judge(
    settings: JudgeSettings, *, answers: Sequence[Path], judgements: Path, statistics: Path
) -> Outcome:
    """Judge both turns of every answer of some files."""
    from gukbap.adapters.chat_models import open_chat
    from gukbap.benchmarks import open_pack
    from gukbap.stages.judge import judge
    from gukbap.workers.judge_cache import judge_cache
    from gukbap.workers.packs import local_pack

    records = [record for path in answers for record in read_jsonl(path, Answer)]
    progress = context.progress()
    templates = open_pack(local_pack(settings.pack, progress)).judge
    work = context.stage_folder(settings, map(sha256_file, answers))
    with (
        context.tracked(settings.step, settings) as log,
        context.journal(work) as journal,
        judge_cache(settings) as cache,
    ):
        model = open_chat(settings.judge.endpoint, progress)
        result = judge(settings, records, model, journal, progress, templates=templates, cache=cache)
        write_jsonl(judgements, result.judgements)
        outcome = Outcome(
            result.statistics, {**_rows_metadata(judgements, result.judgements), "judge": model.name}
        )
        log(outcome)
    return _done(outcome, statistics)


@leaving_errors
def run_report(
    recipe: Recipe,
    *,
    judgements: Sequence[Path],
    statistics: Mapping[str, Path],
    rows: Path | None,
    html: Path,
    markdown: Path,
    model_card: Path,
    data_card: Path,
    scores: Path,
    model_sha256: str | None = None,
    baselines: Sequence[BaselineConfig] = (),
) -> Outcome:
    """Write the tables, plots and cards of a run; `baselines` are shown besides the recipe's."""
    from gukbap.stages.promote import EVIDENCE
    from gukbap.stages.report import report
    from gukbap.workers.report import read_report_inputs, track_results

    targets = {
        "report.html": html,
        "report.md": markdown,
        "model_card.md": model_card,
        "data_card.md": data_card,
        "scores.json": scores,
    }
    with context.tracked("report", recipe.evaluate) as log, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = read_report_inputs(
            recipe,
            judgements=judgements,
            statistics=statistics,
            rows=rows,
            model_sha256=model_sha256,
            baselines=baselines,
            progress=context.progress(),
        )
        report(found.facts, found.judgements, folder, found.baselines)
        document = read_json(folder / "scores.json")
        write_json(folder / "scores.json", {**document, EVIDENCE: found.evidence.model_dump(mode="json")})
        track_results(recipe, found, document, rows, folder)
        for made, target in targets.items():
            write_text(target, read_text(folder / made))
        outcome = Outcome(document)
        log(outcome)
    return outcome
