"""What differs between two data sets."""

from __future__ import annotations

from bench.korean_rows import row
from gukbap.stages.data_set import diff, summarise
from tests.lineages import call, lineage


def test_rows_are_added_removed_and_changed_by_their_ids_whatever_their_order() -> None:
    before = [row(name, f"{name}에 대해 알려 주세요.", "답") for name in ("가", "나", "다")]
    parent = {"operation": "deepen", "parent_id": "가", "parent_sha256": "0", "instruction_call": call()}
    grown = {"id": "가/r1-deepen", "category": "math", "lineage": lineage("가", 1, **parent)}
    evolved = before[0].model_copy(update=grown)
    changed = row("나", "나에 대해 알려 주세요.", "다른 답")
    found = diff(before, [evolved, changed, before[0]])
    assert (found.added.ids, found.removed.ids, found.changed.ids, found.same) == (
        ["가/r1-deepen"],
        ["다"],
        ["나"],
        1,
    )
    assert [(s.id, s.operation) for s in found.added.samples] == [("가/r1-deepen", "deepen")]
    assert {name: (n.before, n.after) for name, n in found.categories.items()} == {
        "math": (0, 1),
        "writing": (3, 2),
    }
    assert {name: (n.before, n.after) for name, n in found.operations.items()} == {
        "deepen": (0, 1),
        "seed": (3, 2),
    }
    assert diff(before, before[::-1]).same == 3
    summary = summarise([evolved, *before])
    assert summary.operations == {"deepen": 1, "seed": 3}
    assert summary.ids[1:] == ["가", "나", "다"]
    [source] = summarise(before).sources
    assert (source.rows, source.teacher.licence, source.host) == (3, "Apache-2.0", None)
