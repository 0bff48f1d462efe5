"""`gukbap provenance`: who wrote a data set's rows, under which licences, and whether that holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gukbap.cli.options import json_option
from gukbap.errors import InputError

if TYPE_CHECKING:
    from gukbap.schemas import Row

#: files of a data set whose rows are checked, and those that hold further parents
_ROWS = ("train.jsonl", "validation.jsonl")
_OTHER_ROWS = "rows.jsonl"
_GENERATED, _DROPPED = "generated.jsonl", "dropped.jsonl"
_STATEMENT = "decontamination.json"
#: the rows that the statement is about, in a run's folder and as `gukbap clean` writes them
_CHECKED = ("clean.jsonl", "rows.jsonl")
#: breaches that are printed; --json has all
_SHOWN = 20


@click.command()
@click.argument("dataset", type=click.Path(exists=True, path_type=Path), nargs=-1, required=True)
@json_option
def provenance(dataset: tuple[Path, ...], as_json: bool) -> None:
    """Verify where the rows of DATASET come from, and print a table of teachers and licences.

    DATASET is a run's folder, a folder with train.jsonl and validation.jsonl, or files of rows. Where a
    folder holds a statement on decontamination, it is verified, too. Exit code 1 where a row's provenance,
    or the statement, does not hold.
    """
    from gukbap.schemas import Row
    from gukbap.stages.provenance import breaches, sources
    from gukbap.stages.training_input import read_training

    files = [path for place in dataset for path in _row_files(place)]
    rows = [row for path in files for row in read_training(path, Row)]
    parents = {name: text for place in dataset for name, text in _parents(place)}
    found = breaches(rows, parents)
    stated = {
        place: problems for place in dataset if (problems := _statement_problems(place, rows)) is not None
    }
    known = {*parents, *(row.id for row in rows)}
    unknown = sum(row.lineage.parent_id not in known for row in rows if row.lineage.parent_id)
    table = [
        {**teacher.model_dump(), "host": host, "version": version, "rows": count}
        for (teacher, host, version), count in sources(rows).items()
    ]
    if as_json:
        document = {
            "files": [str(path) for path in files],
            "rows": len(rows),
            "sources": table,
            "rows_without_parent_at_hand": unknown,
            "breaches": [asdict(one) for one in found],
            "decontamination": {str(place): problems for place, problems in stated.items()},
        }
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        for line in _text(rows, table, unknown):
            click.echo(line)
        for one in found[:_SHOWN]:
            click.echo(f"PROBLEM  {one.row_id}: {one.problem}")
        if len(found) > _SHOWN:
            click.echo(f"… and {len(found) - _SHOWN} more; --json has all")
        for place, problems in stated.items():
            for problem in problems:
                click.echo(f"PROBLEM  {place}: {problem}")
            if not problems:
                click.echo(f"decontaminated, as {_STATEMENT} states: its hash and all rows hold")
        wrong = {one.row_id for one in found}
        click.echo(f"{len(wrong)} of {len(rows)} rows do not hold" if wrong else "all hold")
    if found or any(stated.values()):
        sys.exit(1)


def _row_files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    folder = _dataset_folder(place)
    files = [path for name in _ROWS if (path := folder / name).is_file()]
    files = files or [path for path in [folder / _OTHER_ROWS] if path.is_file()]
    if not files:
        raise InputError(
            f"{place} holds no rows",
            expected=f"a run's folder, or one with {', '.join(_ROWS)} or {_OTHER_ROWS}",
        )
    return files


def _statement_problems(place: Path, rows: Sequence[Row]) -> list[str] | None:
    """What does not hold of the statement on decontamination in a folder; None where it has none."""
    from gukbap.files import read_json, sha256_file
    from gukbap.schemas import Row
    from gukbap.stages.clean.statement import row_digest, statement_problems
    from gukbap.stages.training_input import read_training

    folder = place.parent if place.is_file() else _dataset_folder(place)
    if not (folder / _STATEMENT).is_file():
        return None
    values = read_json(folder / _STATEMENT)
    file = next((path for name in _CHECKED if (path := folder / name).is_file()), None)
    known = {row_digest(row) for row in read_training(file, Row)} if file else set()
    return statement_problems(
        values, rows_sha256=sha256_file(file) if file else None, checked=known, rows=rows
    )


def _parents(place: Path) -> Iterator[tuple[str, str]]:
    """Further instructions that rows may come from: rows that dedup removed, seeds that got no answer."""
    from gukbap.files import read_jsonl
    from gukbap.schemas import Dropped, Row

    folder = place.parent if place.is_file() else _dataset_folder(place)
    if (path := folder / _GENERATED).is_file():
        yield from ((row.id, row.instruction) for row in read_jsonl(path, Row))
    if (path := folder / _DROPPED).is_file():
        dropped = read_jsonl(path, Dropped, allow_empty=True)
        yield from ((one.id, one.instruction) for one in dropped)


def _dataset_folder(place: Path) -> Path:
    return place / "dataset" if (place / "dataset").is_dir() else place


def _text(rows: Sequence[Row], table: Sequence[dict[str, Any]], unknown: int) -> Iterator[str]:
    header = {"model": "teacher", "revision": "revision", "licence": "licence", "host": "asked at"}
    lines = [[*header.values(), "version", "rows"]]
    for source in table:
        shown = {**source, "host": source["host"] or "own machine", "revision": source["revision"] or "–"}
        lines.append([*(str(shown[key])[:40] for key in header), source["version"], str(source["rows"])])
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
    rounds = sorted({row.lineage.round for row in rows})
    yield f"{len(rows)} rows of the rounds {', '.join(map(str, rounds))}"
    if unknown:
        yield f"{unknown} evolved rows have a parent that is not at hand: its text is not proven"
