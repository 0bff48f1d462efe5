"""2,000 seeds, two rounds, a server with every kind of fault, and a process killed 50 times.

    python bench/generation_faults.py [--seeds 2000] [--kills 50]

The server plays the scripted teacher (it is not a model): a share of the requests gets 500, 429 with
Retry-After, cut JSON, a wrong schema or a broken connection. Wanted: the rows of a run without faults and
kills, byte for byte, no call lost, and none that was recorded sent again. The peer is that run.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.generating.runs import generate, kill_and_resume, serving, write_seeds

CONCURRENCY = 32


def main() -> int:
    """Run both and compare; exit code 0 where everything is as wanted."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--faults", type=float, default=0.03, help="share of each of the five kinds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gukbap-faults-") as name:
        folder = Path(name)
        seeds = write_seeds(folder / "seeds.txt", options.seeds)
        start = time.perf_counter()
        with serving(latency=0.02) as server:
            whole_url = server.url
            generate(server, seeds, folder / "whole", teacher__concurrency=CONCURRENCY)
            calls = sum(server.told()["told"].values())
        whole_seconds, start = time.perf_counter() - start, time.perf_counter()
        with serving(latency=0.02, faults=options.faults, seed=7) as server:
            killed = kill_and_resume(
                server,
                seeds,
                folder / "killed",
                options.kills,
                random.Random(3),
                teacher__concurrency=CONCURRENCY,
            )
            told, url = server.told(), server.url
        seconds = time.perf_counter() - start
        texts = {
            run: (folder / run / "rows.jsonl").read_text("utf-8").replace(url[7:], whole_url[7:])
            for run in ("whole", "killed")
        }
    equal, repeated = texts["whole"] == texts["killed"], sum(told["told"].values()) - calls
    print(f"{options.seeds} seeds, {texts['whole'].count(chr(10))} rows, {calls} calls")
    print(f"killed {killed} times; {told['requests']} requests with faults; rows byte-equal: {equal}")
    lost = calls - len(told["told"])
    print(f"calls never answered: {lost}; answers that no process lived to record: {repeated}")
    print(f"(at most {CONCURRENCY} are under way at a kill)")
    ratio = seconds / whole_seconds
    print(f"peer (no fault, no kill) {whole_seconds:.0f} s, with both {seconds:.0f} s, ratio {ratio:.1f}")
    good = equal and lost == 0 and repeated <= killed * CONCURRENCY
    return 0 if good and killed == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
