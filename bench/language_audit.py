"""The language audit against answers that were labelled by hand, beside the plain rule.

    python bench/language_audit.py [--evaluated ../shared/data/logickor/evaluated]

The labels (tests/data/language_labels.jsonl) were given before the audit was looked at. They are halved by
a hash: one half is for development, the other is held out. The peer is the rule "at least a tenth of the
letters is Hangul". Wanted: F1 of the violations of at least 0.98.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gukbap.korean import hangul_share
from gukbap.language import audit

ROOT = Path(__file__).parents[1]
DEFAULT = ROOT / "../shared/data/logickor/evaluated"
LABELS = ROOT / "tests/data/language_labels.jsonl"
PEER_SHARE = 0.1
WANTED = 0.98


def key(label: dict[str, Any]) -> str:
    """What names a labelled answer."""
    return "|".join(str(label[name]) for name in ("model", "strategy", "question", "turn"))


def held_out(label: dict[str, Any]) -> bool:
    """Whether a label belongs to the half that nothing was tuned on."""
    return hashlib.sha256(key(label).encode()).digest()[0] % 2 == 0


def read(folder: Path) -> list[tuple[dict[str, Any], str, str]]:
    """Labels with their question and answer."""
    rows: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    found = []
    for label in map(json.loads, LABELS.read_text(encoding="utf-8").splitlines()):
        place = label["model"], label["strategy"]
        if place not in rows:
            text = (folder / place[0] / f"{place[1]}.jsonl").read_text(encoding="utf-8-sig")
            rows[place] = {row["id"]: row for row in map(json.loads, text.splitlines())}
        row, turn = rows[place][label["question"]], label["turn"] - 1
        found.append((label, row["questions"][turn], row["outputs"][turn]))
    return found


def told(
    name: str, cases: list[tuple[dict[str, Any], str, str]], complies: Callable[[str, str], bool]
) -> int:
    """Print precision, recall and F1 of the violations; return the number of errors."""
    counts = Counter((not label["complies"], not complies(q, a)) for label, q, a in cases)
    hits, missed, wrong = counts[True, True], counts[True, False], counts[False, True]
    print(
        f"{name:22} n {len(cases):3}  precision {hits / max(hits + wrong, 1):.3f}  "
        f"recall {hits / max(hits + missed, 1):.3f}  F1 {2 * hits / max(2 * hits + missed + wrong, 1):.3f}"
    )
    return missed + wrong


def main() -> None:
    """Print the audit's and the peer's figures, the errors by name, and the speed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--evaluated", type=Path, default=DEFAULT)
    cases = read(parser.parse_args().evaluated)

    def ours(question: str, answer: str) -> bool:
        return audit(question, answer).complies

    start = time.perf_counter()
    errors = told("audit, all", cases, ours)
    seconds = time.perf_counter() - start
    told("audit, development", [case for case in cases if not held_out(case[0])], ours)
    told("audit, held out", [case for case in cases if held_out(case[0])], ours)
    peer = told("peer, all", cases, lambda _, answer: hangul_share(answer) >= PEER_SHARE)
    verdicts: Counter[tuple[str, bool]] = Counter()
    for label, question, answer in cases:
        found = audit(question, answer)
        verdicts[found.verdict, label["complies"]] += 1
        if found.complies != label["complies"]:
            print(f"  {key(label)}: labelled {label['complies']}, {found.verdict} ({found.reason})")
    for verdict, keeps in sorted(verdicts):
        rule = "keeping to the rule" if keeps else "breaking the rule"
        print(f"  {verdict:8} labelled as {rule}: {verdicts[verdict, keeps]}")
    print(f"errors: audit {errors}, peer {peer}, ratio {errors / max(peer, 1):.2f}; wanted F1 {WANTED}")
    print(f"{len(cases) / seconds:.0f} answers/s")


if __name__ == "__main__":
    main()
