"""All stored evaluated files rescored in one call, and the card's table cell by cell.

    python bench/golden_replay.py [--evaluated ../shared/data/logickor/evaluated]

The peer is what LogicKor's own score script does: plain means of one file at a time, in a process of
its own, without intervals or checks. The budget is 3 s for the call.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from bench.stored_judgements import add_evaluated

BUDGET_SECONDS = 3.0
RUNS = 5
MODEL = "HumanF-MarkrAI/Gukbap-Mistral-7B"
#: the model card: six categories in LogicKor's order, single, multi, overall
CARD = {
    "default": "4.43 3.00 9.36 7.43 8.21 3.93 6.40 5.71 6.06",
    "1-shot": "5.50 4.50 8.50 8.29 8.29 4.50 7.31 5.88 6.60",
    "cot-1-shot": "5.50 2.57 8.57 8.57 7.79 3.57 6.69 5.50 6.10",
}
PEER = """
import json, pathlib, sys
for path in map(pathlib.Path, sys.argv[1:]):
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    turns = [[row[key]["judge_score"] for row in rows] for key in ("query_single", "query_multi")]
    single, multi = (sum(scores) / len(scores) for scores in turns)
    print(path, single, multi, (single + multi) / 2)
"""


def fastest(command: list[str]) -> tuple[float, str]:
    """The shortest wall time of some runs, and the output."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        times.append(time.perf_counter() - start)
    return min(times), output


def main() -> None:
    """Time both in turn; print the ratio and what equals the card."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add_evaluated(parser)
    folder: Path = parser.parse_args().evaluated
    files = [str(path) for path in sorted(folder.rglob("*.jsonl"))]
    peer, _ = fastest([sys.executable, "-c", PEER, *files])
    gukbap = str(Path(sys.executable).parent / "gukbap")
    ours, output = fastest([gukbap, "score", "--json", str(folder)])
    document = json.loads(output)
    for row in document["table"]["rows"]:
        if row["subject"] == MODEL:
            cells = [*row["categories"].values(), row["single"], row["multi"], row["overall"]]
            shown = " ".join(f"{cell:.2f}" for cell in cells)
            verdict = "equals the card" if shown == CARD[row["strategy"]] else f"card {CARD[row['strategy']]}"
            print(f"{row['strategy']:10} {shown}  {verdict}")
    for note in document["notes"]:
        print(note)
    print(f"{len(files)} files: gukbap {ours:.2f} s, peer {peer:.2f} s, ratio {ours / peer:.1f}")
    print(f"share of the budget of {BUDGET_SECONDS:.0f} s: {ours / BUDGET_SECONDS:.2f}")


if __name__ == "__main__":
    main()
