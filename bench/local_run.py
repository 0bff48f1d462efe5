"""How long the local recipe takes on this machine, step by step, against its budget of 15 minutes.

    python bench/local_run.py

The models are fetched first and do not count. There is no peer that does the whole of it; the ratio
is to the budget.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BUDGET_MINUTES = 15


def main() -> None:
    """Fetch, run, print the time of every step and the ratio to the budget."""
    gukbap = str(Path(sys.executable).parent / "gukbap")
    subprocess.run([gukbap, "models", "fetch", "local"], check=True)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([gukbap, "run", "local", "--run-id", "bench"], check=True, cwd=folder)
        minutes = (time.perf_counter() - start) / 60
        state = json.loads((Path(folder) / "runs" / "bench" / "run.json").read_text(encoding="utf-8"))
    for step, values in state["steps"].items():
        print(f"{step:24} {values['seconds']:7.1f} s")
    print(f"{minutes:.1f} minutes; ratio to the budget: {minutes / BUDGET_MINUTES:.2f}")


if __name__ == "__main__":
    main()
