"""Near-dedup of new rows against an index beside near-dedup of all rows anew.

    python bench/dedup_incremental.py [--rows 100000] [--new 50000,10000,1000] [--seed 42]

The rows are those of bench/dedup_speed.py, in a file. For each number of new rows, the earlier ones are
in an index, and the new ones alone are decided; beside it stands one run over all rows in which earlier
rows rank first, as they do with an index. Printed: whether both keep the same rows, and the CPU and wall
seconds of each. Ends with 1 where the kept rows differ.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.dedup_speed import cpu_seconds
from bench.korean_rows import row
from bench.varied_texts import texts
from gukbap.adapters.progress import SilentProgress
from gukbap.config import DedupConfig, DedupSettings
from gukbap.files import read_jsonl, write_jsonl
from gukbap.schemas import Row
from gukbap.stages.dedup import dedup_file

# With "earliest" a row's round is its rank: those of an earlier run come first in a run over all rows, too.
SETTINGS = DedupSettings(seed=42, dedup=DedupConfig(keep="earliest"))


@dataclass(frozen=True)
class Run:
    """What a run kept, and its seconds."""

    kept: set[str]
    cpu: float
    wall: float


def run(folder: Path, rows: Sequence[Row], index: Path | None) -> Run:
    """Near-dedup rows from file to file."""
    folder.mkdir()
    source, kept, removed = (folder / f"{name}.jsonl" for name in ("rows", "kept", "removed"))
    write_jsonl(source, rows)
    wall, own = time.perf_counter(), cpu_seconds()
    dedup_file(SETTINGS, source, kept, removed, folder / "work", SilentProgress(), index=index)
    wall, own = time.perf_counter() - wall, cpu_seconds() - own
    done = Run({one.id for one in read_jsonl(kept, Row, allow_empty=True)}, own, wall)
    shutil.rmtree(folder)
    return done


def compare(folder: Path, count: int, new: Sequence[int], seed: int) -> bool:
    """Print the figures; returns whether every run kept what the one over all rows did."""
    starts = sorted({count - number for number in new})
    rows = [
        row(str(n), text, "답", rounds=sum(start <= n for start in starts))
        for n, (text, _) in enumerate(texts(count, seed))
    ]
    full = run(folder / "full", rows, None)
    print(f"{count:8} rows anew                 CPU {full.cpu:7.1f} s  wall {full.wall:7.1f} s")
    index, earlier, last, equal = folder / "index", set[str](), 0, True
    for start in starts:
        earlier |= run(folder / "earlier", rows[last:start], index).kept
        # The new rows are added to the index: each number of them begins with one of its own.
        shutil.copytree(index, folder / "copy")
        one = run(folder / "new", rows[start:], folder / "copy")
        shutil.rmtree(folder / "copy")
        same = earlier | one.kept == full.kept
        equal, last = equal and same, start
        print(
            f"{count - start:8} new, {start:8} in an index  CPU {one.cpu:7.1f} s  wall {one.wall:7.1f} s  "
            f"of all rows' time: {one.cpu / full.cpu:.3f} (CPU), of the rows: {(count - start) / count:.3f}  "
            f"kept rows {'the same' if same else 'DIFFERENT'} ({len(full.kept)})"
        )
    return equal


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--new", default="50000,10000,1000")
    parser.add_argument("--seed", type=int, default=42)
    arguments = parser.parse_args()
    new = [int(number) for number in arguments.new.split(",")]
    if not all(0 < number < arguments.rows for number in new):
        raise SystemExit(f"--new {arguments.new}: each must be above 0 and below --rows {arguments.rows}")
    with tempfile.TemporaryDirectory() as name:
        sys.exit(0 if compare(Path(name), arguments.rows, new, arguments.seed) else 1)


if __name__ == "__main__":
    main()
