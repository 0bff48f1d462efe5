"""Where rows come from, and whether what they say of it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gukbap import __version__
from gukbap.config import states_licence, why_private
from gukbap.errors import InputError
from gukbap.schemas import Row, Teacher
from gukbap.stages.calls import messages_sha256, text_sha256
from gukbap.stages.generate.conversations import answer_messages, evolve_messages

#: so many rows are named in an error; the rest is counted
ROWS_NAMED = 5


@dataclass(frozen=True)
class Breach:
    """A row whose provenance does not hold, and why."""

    row_id: str
    problem: str


def breaches(rows: Sequence[Row], parents: Mapping[str, str] | None = None) -> list[Breach]:
    """Every row whose provenance does not hold, with each reason.

    Checked is that the teacher is open and its licence stated; that instruction and answer are what the
    recorded calls gave; that an evolved row names its parent and the parent has the recorded text; and,
    for rows of this version, that the calls were asked what this version asks.

    Args:
        rows: of a data set, or of a part of it.
        parents: id → instruction of further rows that may be parents (removed ones, seeds).
    """
    instructions = {**(parents or {}), **{row.id: row.instruction for row in rows}}
    return [Breach(row.id, problem) for row in rows for problem in _problems(row, instructions)]


def refuse_foreign(rows: Sequence[Row], place: str) -> None:
    """Stop where a row's provenance does not hold.

    Raises:
        InputError: names the first rows, and what is wrong with each.
    """
    found = breaches(rows)
    if not found:
        return
    named = "; ".join(f"row {one.row_id!r}: {one.problem}" for one in found[:ROWS_NAMED])
    more = f"; and {len(found) - ROWS_NAMED} more" if len(found) > ROWS_NAMED else ""
    raise InputError(
        f"{place}: {named}{more}",
        expected="rows of open models, as `gukbap generate` writes them",
        fix="remove these rows, or generate them again; `gukbap provenance` lists all",
    )


def _problems(row: Row, instructions: Mapping[str, str]) -> Iterator[str]:
    lineage, teacher = row.lineage, row.lineage.teacher
    hosts = {call.host for call in (lineage.instruction_call, lineage.answer_call) if call is not None}
    private = {why_private(teacher.model, host) for host in hosts} - {None}
    yield from sorted(filter(None, private))
    if not states_licence(teacher.licence):
        yield f"the licence of its teacher is not stated ({teacher.licence!r})"
    if lineage.answer_call.text_sha256 != text_sha256(row.response):
        yield "its answer is not the one that was generated"
    if lineage.operation is None:
        if lineage.parent_id or lineage.instruction_call:
            yield "it has a parent or a call, but no operation"
    elif lineage.parent_id is None or lineage.parent_sha256 is None or lineage.instruction_call is None:
        yield "it is evolved, but its parent or the call is not recorded"
    else:
        if lineage.instruction_call.text_sha256 != text_sha256(row.instruction):
            yield "its instruction is not the one that was generated"
        parent = instructions.get(lineage.parent_id)
        if parent is not None and lineage.parent_sha256 != text_sha256(parent):
            yield f"its parent {lineage.parent_id!r} has another instruction than the one that was evolved"
    if lineage.version == __version__:
        yield from _prompt_problems(row, instructions)


def _prompt_problems(row: Row, instructions: Mapping[str, str]) -> Iterator[str]:
    lineage = row.lineage
    asked = answer_messages(row.instruction, lineage.answer_call.max_tokens)
    if lineage.answer_call.prompt_sha256 != messages_sha256(asked):
        yield "its answer was asked for with another prompt than this version's"
    parent = instructions.get(lineage.parent_id or "")
    if parent is not None and lineage.operation is not None and lineage.instruction_call is not None:
        evolved = evolve_messages(lineage.operation, parent)
        if lineage.instruction_call.prompt_sha256 != messages_sha256(evolved):
            yield "its instruction was asked for with another prompt than this version's"


def sources(rows: Iterable[Row]) -> dict[tuple[Teacher, str | None, str], int]:
    """How many rows: (teacher, host that gave the answer, version of this package) → rows, the most first."""
    counts = Counter((row.lineage.teacher, row.lineage.answer_call.host, row.lineage.version) for row in rows)
    return dict(counts.most_common())
