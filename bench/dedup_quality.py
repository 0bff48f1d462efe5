"""Near-dedup of Korean instructions: this project beside its peers, on labelled pairs.

    python bench/dedup_quality.py [--bases 14000] [--seed 1] [--texts FILE] [--half reported]
                                  [--peers VENV/bin/python] [--systems gukbap,…] [--json]

The pairs come from the published generator in bench/korean_pairs: near-duplicates (particles, endings,
spacing, one word, Unicode forms, punctuation, clauses, two of them) that should lose a row, and twins
(another number, city, direction, …) that must keep both. 14,000 base texts give about 20,000 rows. --texts
adds texts of one's own: JSON Lines with an `instruction`, `text` or `response`, or one text a line. Every
system runs on all rows, on one core, in a process of its own. Thresholds are chosen on the half `tuning`,
results are those of the other.

Peers run in the environment whose interpreter --peers names; one that is not installed there is named as
not run. datasketch 2.0, rensa 0.5 and datatrove 0.10 with kiwipiepy 0.20, xxhash 3 and tokenizers do.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.dedup_systems import NOT_RUN, SYSTEMS
from bench.korean_pairs.corpus import Corpus, Half, labelled_corpus
from bench.korean_pairs.scores import scores

_ROOT = Path(__file__).parent.parent
_PROJECT = "gukbap"


def given_texts(file: Path) -> list[str]:
    """The texts of a file: an `instruction`, `text` or `response` a line, or a line each."""
    texts = []
    for line in file.read_text(encoding="utf-8-sig").splitlines():
        if not line.startswith("{"):
            texts.append(line)
            continue
        record = json.loads(line)
        texts.append(next(record[key] for key in ("instruction", "text", "response") if key in record))
    return texts


def _bundled_texts() -> list[str]:
    """The project's own seeds and questions."""
    data = _ROOT / "src" / "gukbap" / "data"
    seeds = [json.loads(line)["instruction"] for line in (data / "seeds.jsonl").open(encoding="utf-8")]
    asked = [json.loads(line)["questions"] for line in (data / "eval_pack.jsonl").open(encoding="utf-8")]
    return seeds + [question for questions in asked for question in questions]


def _work(name: str, file: Path) -> None:
    """One system on one core; prints what it removed, its seconds and the process's peak memory."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    texts = json.loads(file.read_text(encoding="utf-8"))
    SYSTEMS[name].run(texts[:2])  # imports are not what is measured
    wall, cpu = time.perf_counter(), _cpu_seconds()
    removed = SYSTEMS[name].run(texts)
    wall, cpu = time.perf_counter() - wall, _cpu_seconds() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("RESULT " + json.dumps({"removed": sorted(removed), "wall": wall, "cpu": cpu, "peak": peak}))


def _cpu_seconds() -> float:
    """Processor seconds of this process and its ended children, which a busy machine disturbs less."""
    return sum(os.times()[:4])


def _missing(interpreter: str, modules: Sequence[str]) -> str | None:
    """The first module that an environment lacks."""
    for module in modules:
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({module!r}) is None)"
        if subprocess.run([interpreter, "-c", code], capture_output=True).returncode:
            return module
    return None


def _measure(interpreter: str, name: str, file: Path) -> dict[str, Any]:
    command = [interpreter, __file__, "--worker", name, "--rows", str(file)]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
    environment = {**os.environ, **threads, "PYTHONPATH": f"{_ROOT / 'src'}{os.pathsep}{_ROOT}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    return found


def _compare(
    corpus: Corpus, half: Half, names: Sequence[str], peers: str | None
) -> dict[str, dict[str, Any]]:
    """Name → its scores and costs, or why it was not run."""
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "texts.json"
        file.write_text(json.dumps(corpus.texts), encoding="utf-8")
        for name in names:
            needs = SYSTEMS[name].needs
            interpreter = peers if needs else sys.executable
            if interpreter is None:
                figures[name] = {"not_run": "--peers names no interpreter"}
            elif lacks := _missing(interpreter, needs):
                figures[name] = {"not_run": f"{lacks} is not installed"}
            else:
                found = _measure(interpreter, name, file)
                figures[name] = {
                    **dataclasses.asdict(scores(corpus, frozenset(found["removed"]), half)),
                    "rows_per_second": len(corpus.texts) / found["wall"],
                    "rows_per_cpu_second": len(corpus.texts) / found["cpu"],
                    "peak_mib": found["peak"],
                }
    return figures | {name: {"not_run": reason} for name, reason in NOT_RUN.items()}


def _print_table(figures: dict[str, dict[str, Any]]) -> None:
    ran = {name: figure for name, figure in figures.items() if "not_run" not in figure}
    print(f"{'':34}  recall  innocents   lost   twins   rows/s  a CPU s  peak MiB")
    for name, figure in ran.items():
        print(
            f"{name:34} {figure['total_recall']:7.2%} {figure['innocents']:9.2%} {figure['lost']:7.2%}"
            f" {figure['total_twins']:7.2%} {figure['rows_per_second']:8.0f}"
            f" {figure['rows_per_cpu_second']:8.0f} {figure['peak_mib']:9.0f}"
        )
    for title, key in (("near-duplicates found", "recall"), ("twins that lost a row", "twins")):
        print(f"\n{title}\n{'':16}" + "".join(f"{name[:20]:>22}" for name in ran))
        for kind in next(iter(ran.values()))[key] if ran else ():
            print(f"{kind:16}" + "".join(f"{figure[key][kind]:22.1%}" for figure in ran.values()))
    for name, figure in figures.items():
        if "not_run" in figure:
            print(f"{name} was not run: {figure['not_run']}")


def _print_ratios(figures: dict[str, dict[str, Any]]) -> None:
    ours = figures.get(_PROJECT)
    for name, figure in figures.items():
        if ours and name != _PROJECT and "not_run" not in figure:
            wall, cpu = (ours[key] / figure[key] for key in ("rows_per_second", "rows_per_cpu_second"))
            print(f"{_PROJECT} / {name}: {wall:.2f} × rows a second, {cpu:.2f} × a CPU second")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bases", type=int, default=14_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--half", choices=("tuning", "reported"), default="reported")
    parser.add_argument("--peers", metavar="PYTHON")
    parser.add_argument("--systems", help="separated by commas; all when absent")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", choices=sorted(SYSTEMS), help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=Path, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Run the systems in turn and print what they find, what they cost and how they compare."""
    arguments = _parser().parse_args()
    if arguments.worker:
        _work(arguments.worker, arguments.rows)
        return
    names = arguments.systems.split(",") if arguments.systems else list(SYSTEMS)
    if unknown := [name for name in names if name not in SYSTEMS]:
        raise SystemExit(f"no system {unknown[0]!r}; there are: {', '.join(SYSTEMS)}")
    given = _bundled_texts() + (given_texts(arguments.texts) if arguments.texts else [])
    corpus = labelled_corpus(arguments.bases, arguments.seed, given)
    figures = _compare(corpus, arguments.half, names, arguments.peers)
    if arguments.json:
        print(
            json.dumps(
                {"rows": len(corpus.texts), "half": arguments.half, "systems": figures}, ensure_ascii=False
            )
        )
        return
    print(f"{len(corpus.texts)} rows, seed {arguments.seed}, half {arguments.half}")
    _print_table(figures)
    _print_ratios(figures)


if __name__ == "__main__":
    main()
