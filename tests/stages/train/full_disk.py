"""A training on a file system with room for two checkpoints: `python -m … BASE FOLDER`, in a mount namespace.

Prints the error and which checkpoint is whole then; after that there is room, and the training ends.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gukbap.adapters.progress import SilentProgress
from gukbap.errors import GukbapError
from gukbap.stages.train import train
from gukbap.stages.train.checkpoints import damage_of
from tests.stages.train.examples import rows, settings


def mount(work: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(work)], check=True)


def main(base: Path, folder: Path) -> None:
    work = folder / "work"
    work.mkdir(parents=True)
    mount(work, "size=3m")
    # Saved at the steps 2, 4 and 6 alone: none for being the best.
    arguments = settings(selection="last"), rows(11), rows(3), base, folder / "model", work, SilentProgress()
    found: dict[str, object] = {}
    try:
        train(*arguments)
    except GukbapError as error:
        found = {"error": type(error).__name__, "problem": error.problem, "fix": error.fix}
    found["checkpoints"] = {path.name: damage_of(path) for path in (work / "checkpoints").iterdir()}
    found["model"] = (folder / "model").exists()
    print(json.dumps(found))
    mount(work, "remount,size=16m")
    train(*arguments)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
