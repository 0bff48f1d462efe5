"""Near-dedup beside datasketch and rensa, and what it costs at which size.

    python bench/dedup_speed.py [--rows 20000] [--rounds 3] [--sizes 1000,20000,100000,1000000] [--texts FILE]

First part: from strings to what stays, on one core, all ways in turn, so many rounds; the process's own CPU
seconds count, which a busy machine disturbs less than the wall clock: those of the fastest round, and in the
median of all rounds the ratio of two ways that ran beside each other. Rows are invented Korean prose; three
tenths are variants of others in particle, ending, spacing, signs, Unicode form, or the order of sentences.
With --texts they are pieces of 80 characters of a file's texts (as bench/dedup_quality.py reads them), of
which many may be alike without being variants. Recall: variants that are gone, of all. Lost: texts of which
no form is left, of all. The peers remove by their similarity alone, as their READMEs have it; only here
every pair is also compared exactly: what that is worth, bench/dedup_quality.py says (of ten twins that ask
for something else, rensa takes nine). So both also run with that comparison behind them. They come with
`pip install 'gukbap[bench]'`; what is missing is left out.

Second part: rows in a file, each size in a process of its own with its workers (dedup.workers as it is);
CPU and wall microseconds a row, and the peak memory of the process and of its largest worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench.dedup_quality import given_texts
from bench.dedup_ways import SETTINGS, WAYS, rows_of
from bench.korean_rows import row
from bench.varied_texts import texts
from gukbap.adapters.progress import SilentProgress
from gukbap.files import write_jsonl
from gukbap.stages.dedup import dedup_file


def measure(way: str, count: int, seed: int, source: Path | None) -> dict[str, float]:
    """Run one way on one core."""
    os.environ["RAYON_NUM_THREADS"] = "1"
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chosen = next(one for one in WAYS if one.__name__ == way)
    given = list(texts(count, seed, given_texts(source) if source else ()))
    strings = [text for text, _ in given]
    chosen(strings[:200])  # imports and tables
    rows_of(tuple(strings))
    wall, own = time.perf_counter(), time.process_time()
    kept = chosen(strings)
    own, wall = time.process_time() - own, time.perf_counter() - wall
    families = defaultdict(list)
    for number, (_, family) in enumerate(given):
        families[family].append(number in kept)
    variants = sum(len(members) - 1 for members in families.values())
    gone = sum(len(members) - max(1, sum(members)) for members in families.values())
    lost = sum(not any(members) for members in families.values())
    return {"cpu": own, "wall": wall, "recall": gone / variants, "lost": lost / len(families)}


def measure_file(count: int, seed: int) -> dict[str, float]:
    """Near-dedup a file of so many rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "rows.jsonl"
        write_jsonl(source, (row(str(n), text, "답") for n, (text, _) in enumerate(texts(count, seed))))
        wall, own = time.perf_counter(), cpu_seconds()
        kept, removed, work = (folder / name for name in ("kept.jsonl", "removed.jsonl", "work"))
        done = dedup_file(SETTINGS, source, kept, removed, work, SilentProgress())
        wall, own = time.perf_counter() - wall, cpu_seconds() - own
    peaks = [
        resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    return {"cpu": own, "wall": wall, "kept": done["kept"], "peak": peaks[0], "worker_peak": peaks[1]}


def cpu_seconds() -> float:
    """Processor seconds of this process and its ended children."""
    return sum(one.ru_utime + one.ru_stime for one in _usages())


def _usages() -> list[resource.struct_rusage]:
    return [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]


def _apart(*arguments: str) -> dict[str, float] | None:
    command = [sys.executable, "-m", "bench.dedup_speed", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _compare(count: int, rounds: int, seed: int, source: Path | None) -> None:
    names = [way.__name__ for way in WAYS]
    runs: dict[str, list[dict[str, float]]] = defaultdict(list)
    for number in range(rounds):
        # Another way goes first each time, since the machine's speed follows what went before.
        for name in names[number % len(names) :] + names[: number % len(names)]:
            texts_of = ("--texts", str(source)) if source else ()
            if result := _apart("--way", name, "--rows", str(count), "--seed", str(seed), *texts_of):
                runs[name].append(result)
    print(f"{count} rows, one core, fastest of {rounds} rounds")
    best = {name: min(results, key=lambda result: result["cpu"]) for name, results in runs.items()}
    for name in names:
        if one := best.get(name):
            ratio = one["cpu"] / best["gukbap"]["cpu"]
            pairs = zip(runs[name], runs["gukbap"], strict=True)
            middle = statistics.median(theirs["cpu"] / ours["cpu"] for theirs, ours in pairs)
            print(
                f"{name:20} {count / one['cpu']:8.0f} rows/s (CPU) {count / one['wall']:8.0f} (wall)  recall "
                f"{one['recall']:.4f}  lost {one['lost']:.4f}  time / gukbap's: {ratio:.2f}, median "
                f"of rounds {middle:.2f}"
            )
            print(f"{'':20} {next(way for way in WAYS if way.__name__ == name).__doc__}")
        else:
            print(f"{name:20} not installed: pip install 'gukbap[bench]'")


def main() -> None:
    """Run both parts and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", default="1000,20000,100000,1000000")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(measure(arguments.way, arguments.rows, arguments.seed, arguments.texts)))
    elif arguments.file:
        print(json.dumps(measure_file(arguments.file, arguments.seed)))
    else:
        if arguments.rows:
            _compare(arguments.rows, arguments.rounds, arguments.seed, arguments.texts)
        for size in filter(None, arguments.sizes.split(",")):
            one = _apart("--file", size, "--seed", str(arguments.seed))
            assert one
            print(
                f"{int(size):9} rows in a file  {one['cpu'] / int(size) * 1e6:7.1f} µs a row (CPU) "
                f"{one['wall'] / int(size) * 1e6:7.1f} (wall)  peak {one['peak']:6.0f} MB, a worker's "
                f"{one['worker_peak']:6.0f} MB  kept {one['kept']:.0f}"
            )


if __name__ == "__main__":
    main()
