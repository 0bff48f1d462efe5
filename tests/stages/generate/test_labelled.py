"""The eliminators that need no model, held against evolutions and answers that were labelled by hand.

tests/data/evolutions.jsonl: written for these tests; each has the one reason for which a reader would drop
it, or `kept`. The labels were given before the rules were run on them.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from gukbap.config import GenerateConfig
from gukbap.ports import Completion
from gukbap.stages.generate.eliminate import answer_flaw, instruction_flaw

LABELLED = [
    json.loads(line)
    for line in (Path(__file__).parents[2] / "data/evolutions.jsonl").read_text("utf-8").splitlines()
]
KEPT = "kept"
WANTED = 0.9


def told(one: dict[str, Any]) -> str:
    """What the rules say of a text, without the kind in front."""
    reply, config = Completion(one["text"], "stop", 1, 1), GenerateConfig()
    if one["kind"] == "instruction":
        flaw = instruction_flaw(
            one["text"],
            reply,
            parent=one["parent"],
            operation="constraints",
            category=one["category"],
            config=config,
        )
    else:
        flaw = answer_flaw(
            one["text"],
            reply,
            instruction=one["parent"],
            operation="constraints",
            category=one["category"],
            config=config,
        )
    return KEPT if flaw is None else flaw.removeprefix(f"{one['kind']}_")


RULES = sorted({(one["kind"], one["label"]) for one in LABELLED})


def test_there_are_enough_labels() -> None:
    assert len(LABELLED) >= 200
    assert len({(one["kind"], one["text"], one["parent"]) for one in LABELLED}) == len(LABELLED)


@pytest.mark.parametrize(("kind", "label"), RULES)
def test_precision_and_recall_of_each_rule(kind: str, label: str) -> None:
    ours = [(one["label"], told(one), one["text"]) for one in LABELLED if one["kind"] == kind]
    counts = Counter((given == label, found == label) for given, found, _ in ours)
    hits = counts[True, True]
    wrong = [pair for pair in ours if label in pair[:2] and pair[0] != pair[1]]
    assert hits / max(hits + counts[False, True], 1) >= WANTED, f"precision: {wrong}"
    assert hits / max(hits + counts[True, False], 1) >= WANTED, f"recall: {wrong}"
