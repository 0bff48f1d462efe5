"""The statement on decontamination: what was looked for, how, what was found, and in which rows.

It is signed by a chain of hashes and by no key: its own hash covers all it says, its words cover the hash of
the rows that it is about, and every training row must be one of those. Whoever has the data set can verify
that the three belong together; that the search was carried out, only who repeats it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from gukbap import __version__
from gukbap.benchmarks import Evaluation
from gukbap.config import CleanSettings
from gukbap.files import canonical_json, sha256_text
from gukbap.schemas import Row
from gukbap.stages.clean import index, leaks
from gukbap.stages.clean.stage import CleanResult

_METHOD = (
    "Each message of each row against each evaluation text, as letters with numbers by value: overlap of "
    "character 5-grams, edit similarity to any substring, and clause by clause; the highest counts"
)


def statement(
    settings: CleanSettings, evaluations: Sequence[Evaluation], result: CleanResult, rows_sha256: str
) -> dict[str, Any]:
    """The statement of a run, as JSON values, with the SHA-256 over its canonical JSON as `sha256`.

    Args:
        settings: what the rows were cleaned with.
        evaluations: what was looked for; none where decontamination is off.
        result: of the cleaning.
        rows_sha256: of the file with the rows that stay.
    """
    found = [one for one in result.excluded if one.leak is not None]
    values: dict[str, Any] = {
        "format": 1,
        "gukbap_version": __version__,
        "decontaminated": settings.clean.decontaminate,
        "method": _METHOD,
        "thresholds": {
            "similarity": settings.clean.similarity,
            "overlap_letters": leaks.OVERLAP_LETTERS,
            "least_letters": leaks.MIN_LETTERS,
            "passage_letters": [leaks.MIN_PASSAGE, leaks.LONGEST_WHOLE],
            "least_shared_anchors": leaks.MIN_SHARED_ANCHORS,
            "candidate_grams": index.MIN_SHARED,
        },
        "evaluations": [
            {"name": one.name, "sha256": one.sha256, "texts": len(one.texts)} for one in evaluations
        ],
        "texts": result.statistics["evaluation_texts"],
        "texts_too_short": result.statistics["evaluation_texts_too_short"],
        "rows_checked": result.statistics["rows"],
        "rows_kept": result.statistics["kept"],
        "rows_with_a_leak": len(found),
        "leaks": [{"row_id": one.row.id, **one.leak.model_dump()} for one in found if one.leak],
        "rows_sha256": rows_sha256,
    }
    return {**values, "sha256": _digest(values)}


def statement_problems(
    values: Any, *, rows_sha256: str | None, checked: Collection[str], rows: Sequence[Row]
) -> list[str]:
    """What does not hold of a statement; an empty list where all does.

    Args:
        values: the statement.
        rows_sha256: of the file of checked rows that lies beside it; None where there is none.
        checked: `row_digest` of each row in that file.
        rows: training and validation rows.
    """
    if not isinstance(values, dict):
        return ["it is no statement as `gukbap clean` writes them"]
    problems = []
    if not values.get("decontaminated"):
        problems.append("it states that the rows were not held against an evaluation")
    if values.get("sha256") != _digest({key: value for key, value in values.items() if key != "sha256"}):
        problems.append("the statement was changed: its SHA-256 is another")
    if rows_sha256 is None:
        return [*problems, "the rows that the statement is about are not at hand"]
    if values.get("rows_sha256") != rows_sha256:
        problems.append("the rows beside the statement are not those that it is about")
    strangers = [row.id for row in rows if row_digest(row) not in checked]
    if strangers:
        problems.append(f"{len(strangers)} rows were never checked, the first is {strangers[0]!r}")
    return problems


def row_digest(row: Row) -> str:
    """The SHA-256 of a row as canonical JSON."""
    return sha256_text(canonical_json(row.model_dump(mode="json")))


def _digest(values: Mapping[str, Any]) -> str:
    return sha256_text(canonical_json(dict(values)))
