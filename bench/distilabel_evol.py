"""distilabel's EvolInstruct beside ours: the same server, the same seeds, with and without faults.

    python bench/distilabel_evol.py --peer-python OTHER/bin/python [--seeds 100] [--faults 0.05]

distilabel 1.5 wants an environment of its own (distilabel[openai], requests). Both evolve each seed twice
and answer what came of it. The server plays the scripted teacher (it is not a model), and a share of its
replies are 500, 429, cut JSON, a wrong schema or a broken connection. Printed side by side: requests, rows,
requests a row, wall time, and rows lost against the same run without faults. Our rows passed the eliminators,
distilabel's did not: it has none. A batch that distilabel's task fails is lost, as in its pipeline.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.generating.runs import generate, serving, write_seeds
from tests.wire import Server

CONCURRENCY, EVOLUTIONS = 16, 2
PEER = """
import json, sys
from distilabel.models import OpenAILLM
from distilabel.steps.tasks import EvolInstruct

url, seeds, evolutions = sys.argv[1], sys.argv[2], int(sys.argv[3])
texts = open(seeds, encoding="utf-8").read().splitlines()
llm = OpenAILLM(
    model="scripted", base_url=url, api_key="none",
    generation_kwargs={"max_new_tokens": 512, "temperature": 1.0, "top_p": 0.95},
)
task = EvolInstruct(
    llm=llm, num_evolutions=evolutions, store_evolutions=True, generate_answers=True, input_batch_size=16
)
task.load()
rows = []
for start in range(0, len(texts), 16):
    batch = [{"instruction": text} for text in texts[start : start + 16]]
    try:
        evolved_batch = next(task.process(batch))
    except Exception:  # as its pipeline does: a batch that fails gives no rows, and the others go on
        continue
    for done in evolved_batch:
        evolved, answers = done.get("evolved_instructions") or [], done.get("answers") or []
        rows += [bool(text) and bool(answer) for text, answer in zip(evolved, answers)]
print(json.dumps([sum(rows), len(rows)]))
"""


@dataclass(frozen=True)
class Outcome:
    """What one tool made of the seeds; `rows` is None where it stopped with an error."""

    rows: int | None
    requests: int
    seconds: float
    said: str = ""

    def __str__(self) -> str:
        if self.rows is None:
            return f"{self.requests} requests, {self.seconds:.1f} s, stopped: {self.said}"
        each = self.requests / max(self.rows, 1)
        return f"{self.rows} rows, {self.requests} requests ({each:.2f} a row), {self.seconds:.1f} s"


def ours(server: Server, seeds: Path, output: Path) -> Outcome:
    """`gukbap generate`; its rows are those that the eliminators kept."""
    start = time.perf_counter()
    generate(server, seeds, output, teacher__concurrency=CONCURRENCY, generate__answer_seeds="false")
    rows = (output / "rows.jsonl").read_text("utf-8").count("\n")
    return Outcome(rows, server.told()["requests"], time.perf_counter() - start)


def peer(server: Server, seeds: Path, python: str) -> Outcome:
    """distilabel's task by itself; its rows are those that have an instruction and an answer."""
    start = time.perf_counter()
    command = [python, "-c", PEER, f"{server.url}/v1", str(seeds), str(EVOLUTIONS)]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds, requests = time.perf_counter() - start, server.told()["requests"]
    if done.returncode:
        return Outcome(None, requests, seconds, (done.stderr.strip().splitlines() or ["?"])[-1][:200])
    kept, _ = json.loads(done.stdout.strip().splitlines()[-1])
    return Outcome(kept, requests, seconds)


def main() -> None:
    """Run both, without faults and with."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer-python", help="an environment with distilabel; ours alone without")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--faults", type=float, default=0.05, help="of all requests, the five kinds together")
    options = parser.parse_args()
    found: dict[tuple[str, float], Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="gukbap-evol-") as name:
        folder = Path(name)
        seeds = write_seeds(folder / "seeds.txt", options.seeds)
        for faults in (0.0, options.faults):
            for tool in ("distilabel", "gukbap") if options.peer_python else ("gukbap",):
                with serving(latency=0.05, faults=faults / 5, seed=1) as server:
                    if tool == "gukbap":
                        found[tool, faults] = ours(server, seeds, folder / f"{faults}")
                    else:
                        found[tool, faults] = peer(server, seeds, options.peer_python)
                print(f"{tool:10} faults {faults:.0%}: {found[tool, faults]}")
    for tool in dict.fromkeys(tool for tool, _ in found):
        clean, faulty = found[tool, 0.0].rows, found[tool, options.faults].rows
        lost = clean if clean is None or faulty is None else clean - faulty
        print(f"{tool:10} rows lost to faults: {lost} of {clean}")
    if options.peer_python:
        ratio = found["gukbap", 0.0].seconds / found["distilabel", 0.0].seconds
        print(f"ratio gukbap / distilabel, wall time without faults: {ratio:.2f}")


if __name__ == "__main__":
    main()
