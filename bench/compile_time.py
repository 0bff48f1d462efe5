"""How long the reference recipe takes to compile, imports done, beside a plain KFP pipeline of as many steps.

    python bench/compile_time.py

The peer is kfp alone: the same number of one-line components in a row, without resources, secrets,
volumes or a form. (No postponed annotations in this file: KFP reads them as values.)
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kfp import dsl
from kfp.compiler import Compiler

from gukbap.recipes import load_recipe
from pipelines.gukbap_pipeline import build_pipeline


@dsl.component(base_image="python:3.11", install_kfp_package=False)
def step(before: str) -> str:
    """Hand a text on."""
    return before


def plain(steps: int) -> Any:
    """A pipeline of so many steps in a row."""

    @dsl.pipeline(name="plain")
    def chain() -> None:
        text: Any = "start"
        for _ in range(steps):
            text = step(before=text).output

    return chain


def seconds(build: Callable[[], Any], file: Path) -> float:
    """The time from the definition to the written file."""
    start = time.perf_counter()
    Compiler().compile(build(), str(file))
    return time.perf_counter() - start


def main() -> None:
    """Measure in turn and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--recipe", default="gukbap-mistral-7b")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    recipe = load_recipe(arguments.recipe)
    tasks = 8 + len(recipe.infer.subjects) * (1 + len(recipe.infer.strategies))
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        for _ in range(arguments.repeats):
            peers.append(seconds(lambda: plain(tasks), file))
            ours.append(seconds(lambda: build_pipeline(recipe), file))
    project, peer = statistics.median(ours), statistics.median(peers)
    print(
        f"{arguments.recipe}, {tasks} steps: {project:.2f} s, wanted under 3 s "
        f"(median of {arguments.repeats})"
    )
    print(f"plain KFP pipeline, {tasks} steps: {peer:.2f} s; ratio {project / peer:.1f}")


if __name__ == "__main__":
    main()
