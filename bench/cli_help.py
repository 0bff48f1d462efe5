"""How fast `gukbap --help` answers, beside a peer's command line (`kfp --help`).

    python bench/cli_help.py

Each is run in turn, ten times; the medians and their ratio are printed. The budget is 0.5 s.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 10
BUDGET_SECONDS = 0.5


def seconds(command: list[str]) -> float:
    """Wall time of one run of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Run peer and project in turn and print the ratio."""
    scripts = Path(sys.executable).parent
    commands = {name: [str(scripts / name), "--help"] for name in ("kfp", "gukbap")}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, command in commands.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, median in medians.items():
        print(f"{name} --help: {median:.3f} s (median of {RUNS})")
    print(f"ratio gukbap / kfp: {medians['gukbap'] / medians['kfp']:.2f}")
    print(f"share of the 0.5 s budget: {medians['gukbap'] / BUDGET_SECONDS:.2f}")


if __name__ == "__main__":
    main()
