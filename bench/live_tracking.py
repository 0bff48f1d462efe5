"""How long a training waits for its tracker: a call a step, as transformers' MLflowCallback does, and ours.

    python bench/live_tracking.py [--steps 100]

Both log seven numbers a step into a real MLflow server on loopback, in turn. Measured is the time that the
training's thread spends in the call, a step on average; for ours also the process's CPU seconds, which its
thread takes beside the training. Steps follow each other after 20 ms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from gukbap.adapters.mlflow_tracker import open_run
from gukbap.adapters.progress import SilentProgress
from gukbap.stages.train import live
from tests.servers import mlflow_server

NAMES = ("loss", "learning_rate", "grad_norm", "epoch", "tokens", "tokens_per_second", "memory")
STEP_SECONDS = 0.02
#: Seconds between two batches here: as many steps a batch as a training with steps of half a second has.
BATCH_SECONDS = 0.2


def waited(log: Callable[[int], None], steps: int) -> float:
    """Seconds that a step waits, on average."""
    total = 0.0
    for step in range(1, steps + 1):
        began = time.perf_counter()
        log(step)
        total += time.perf_counter() - began
        time.sleep(STEP_SECONDS)
    return total / steps


def peer(uri: str, steps: int) -> float:
    """`mlflow.log_metrics` a step."""
    import mlflow

    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("peer")
    with mlflow.start_run():
        return waited(lambda step: mlflow.log_metrics(dict.fromkeys(NAMES, 1.0 / step), step), steps)


def ours(uri: str, steps: int) -> tuple[float, float]:
    """A LiveSeries: seconds a step that the training waits, and CPU seconds a step of the process."""
    live.PAUSE = BATCH_SECONDS
    tracker = open_run("ours", "run", "run", uri)
    tracker.series([])
    cpu = time.process_time()
    series = live.LiveSeries(tracker, SilentProgress())
    found = waited(lambda step: series.add(step, dict.fromkeys(NAMES, 1.0 / step)), steps)
    series.close()
    return found, (time.process_time() - cpu) / steps


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=100)
    steps = parser.parse_args().steps
    with mlflow_server() as uri:
        theirs = peer(uri, steps)
        mine, cpu = ours(uri, steps)
    print(f"mlflow.log_metrics a step: {theirs * 1e6:10,.0f} us waited a step")
    print(f"gukbap:                    {mine * 1e6:10,.0f} us waited a step, {cpu * 1e6:,.0f} us CPU in all")
    print(f"ratio {theirs / mine:,.0f}")


if __name__ == "__main__":
    main()
