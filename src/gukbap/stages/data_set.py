"""Data sets as wholes: what one holds, in numbers, and what differs between two."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from gukbap.data_versions import Source
from gukbap.schemas import Record, Row
from gukbap.stages.provenance import sources

#: rows of each kind that a comparison shows, and characters of each text
SAMPLES, EXCERPT_CHARS = 3, 120


class Sample(Record):
    """A row, for a reader's eyes."""

    id: str
    category: str
    #: seed for none
    operation: str
    instruction: str


class Change(Record):
    """Rows of one kind: added, removed or changed."""

    rows: int
    #: ids, sorted
    ids: list[str]
    samples: list[Sample]


class Counts(Record):
    """Rows before and after."""

    before: int
    after: int


class DataDiff(Record):
    """What differs between two data sets; rows are the same where their ids are."""

    added: Change
    removed: Change
    #: same id, other content: as the later of the two has it
    changed: Change
    same: int
    categories: dict[str, Counts]
    operations: dict[str, Counts]


class Summary(Record):
    """A data set in numbers."""

    #: in the rows' order
    ids: list[str]
    #: category → rows
    categories: dict[str, int]
    #: operation ("seed" for none) → rows
    operations: dict[str, int]
    #: who wrote the rows, the most first
    sources: list[Source]


def summarise(rows: Iterable[Row]) -> Summary:
    """Read rows once, one after the other: there may be more than memory has room for."""
    ids: list[str] = []
    categories: Counter[str] = Counter()
    operations: Counter[str] = Counter()

    def counted() -> Iterator[Row]:
        for row in rows:
            ids.append(row.id)
            categories[row.category] += 1
            operations[_operation(row)] += 1
            yield row

    found = _licence_table(counted())
    return Summary(ids=ids, categories=_sorted(categories), operations=_sorted(operations), sources=found)


def _licence_table(rows: Iterable[Row]) -> list[Source]:
    return [
        Source(teacher=teacher, host=host, version=version, rows=count)
        for (teacher, host, version), count in sources(rows).items()
    ]


def diff(before: Sequence[Row], after: Sequence[Row]) -> DataDiff:
    """Compare two data sets row by row, whatever their order."""
    old, new = _by_id(before), _by_id(after)
    counts, later = summarise(before), summarise(after)
    shared = old.keys() & new.keys()
    changed = {name for name in shared if old[name] != new[name]}
    return DataDiff(
        added=_change(new, new.keys() - old.keys()),
        removed=_change(old, old.keys() - new.keys()),
        changed=_change(new, changed),
        same=len(shared) - len(changed),
        categories=_counts(counts.categories, later.categories),
        operations=_counts(counts.operations, later.operations),
    )


def _by_id(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.id: row for row in rows}


def _sorted(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _operation(row: Row) -> str:
    return row.lineage.operation or "seed"


def _change(rows: Mapping[str, Row], names: Collection[str]) -> Change:
    ids = sorted(names)
    return Change(rows=len(ids), ids=ids, samples=[_sample(rows[name]) for name in ids[:SAMPLES]])


def _sample(row: Row) -> Sample:
    text = " ".join(row.instruction.split())
    excerpt = text if len(text) <= EXCERPT_CHARS else f"{text[:EXCERPT_CHARS]}…"
    return Sample(id=row.id, category=row.category, operation=_operation(row), instruction=excerpt)


def _counts(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, Counts]:
    names = sorted({*before, *after})
    return {name: Counts(before=before.get(name, 0), after=after.get(name, 0)) for name in names}
