"""The folder of a run: where each artifact lies, and what is known about each step.

```
runs/<id>/
  recipe.json  run.json
  dataset/     rows after each step, what was dropped, excluded and removed, a card
  model/       the trained student
  answers/  judgements/   one file a subject and strategy
  scores.json  report.html  report.md  model_card.md
  statistics/  one file a step
  work/        journals and checkpoints that --resume goes on from, logs
```
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from gukbap import __version__
from gukbap.config import Recipe
from gukbap.errors import RunExistsError, UsageError
from gukbap.files import read_json, write_json
from gukbap.recipes import check_recipe, overridden

#: what alone may be set anew where a run goes on: nothing that was made depends on it
BUDGET_KEYS = "budget."
RUN_ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")

#: (step, output) → place in the run folder; what is not named here lies in artifacts/<step>/<output>
_PLACES = {
    ("generate", "rows"): "dataset/generated.jsonl",
    ("generate", "dropped"): "dataset/dropped.jsonl",
    ("generate", "seeds"): "dataset/seeds.jsonl",
    ("clean", "rows"): "dataset/clean.jsonl",
    ("clean", "excluded"): "dataset/excluded.jsonl",
    ("clean", "statement"): "dataset/decontamination.json",
    ("dedup", "rows"): "dataset/deduplicated.jsonl",
    ("dedup", "removed"): "dataset/removed.jsonl",
    ("split", "train"): "dataset/train.jsonl",
    ("split", "validation"): "dataset/validation.jsonl",
    ("split", "left_out"): "dataset/left_out.jsonl",
    ("train", "model"): "model",
    ("report", "html"): "report.html",
    ("report", "markdown"): "report.md",
    ("report", "model_card"): "model_card.md",
    ("report", "data_card"): "dataset/README.md",
    ("report", "scores"): "scores.json",
}


class RunFolder:
    """A run's folder and state. One process at a time may work in it."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.work = self.path / "work"
        self._state_file = self.path / "run.json"
        self._recipe_file = self.path / "recipe.json"

    @property
    def id(self) -> str:
        """The run's id: the folder's name."""
        return self.path.name

    @classmethod
    def create(cls, root: Path, recipe: Recipe, run_id: str | None) -> RunFolder:
        """Make the folder of a new run.

        Raises:
            RunExistsError: the id is taken; nothing in that run is touched.
        """
        run_id = run_id or f"{recipe.name}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        if not RUN_ID.match(run_id):
            raise UsageError(f"run id {run_id!r}", expected="letters, digits, '.', '_' and '-', at most 100")
        folder = cls(root / run_id)
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError as error:
            raise RunExistsError(
                f"the run id {run_id!r} is taken ({folder.path})",
                fix=f"choose another --run-id, or go on with it: gukbap run --resume {run_id}",
            ) from error
        folder.work.mkdir()
        write_json(folder._recipe_file, recipe.model_dump(mode="json"))
        folder._save({"id": run_id, "version": __version__, "recipe_hash": recipe.hash, "steps": {}})
        return folder

    @classmethod
    def open(cls, root: Path, run_id: str) -> RunFolder:
        """The folder of an earlier run, named by its id or its path."""
        folder = cls(Path(run_id) if os.sep in run_id else root / run_id)
        if not folder._recipe_file.exists():
            known = sorted(path.parent.name for path in root.glob("*/recipe.json"))
            raise UsageError(
                f"there is no run {run_id!r} in {root.resolve()}",
                expected=f"one of {', '.join(known)}" if known else "a run that was started before",
            )
        folder.work.mkdir(exist_ok=True)
        return folder

    @property
    def recipe(self) -> Recipe:
        """The recipe that the run was started with."""
        return check_recipe(read_json(self._recipe_file), where=str(self._recipe_file))

    def change_budget(self, overrides: Sequence[str]) -> None:
        """Give the run another budget, which goes on with what was paid for under the old one.

        Raises:
            UsageError: an override names anything else.
            ConfigError: a value is not allowed.
        """
        others = [override for override in overrides if not override.strip().startswith(BUDGET_KEYS)]
        if others:
            raise UsageError(
                f"--set {others[0]} would change the run {self.id}, whose work so far was done without it",
                expected=f"--set {BUDGET_KEYS}… alone where a run is resumed",
                fix="leave it out, or start a new run",
            )
        changed = overridden(self.recipe, overrides, where=str(self._recipe_file))
        write_json(self._recipe_file, changed.model_dump(mode="json"))

    @cached_property
    def _strategies(self) -> Sequence[str]:
        return self.recipe.infer.strategies

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for this process; UsageError where another one works in it."""
        with (self.path / ".lock").open("w") as file:
            _lock(file, self.id)
            yield

    def place(self, step: str, output: str) -> Path:
        """Where a step's output lies."""
        known = _PLACES.get((step, output))
        if known:
            return self.path / known
        _, _, variant = step.partition("-")
        if variant and output == "judgements":
            return self.path / output / f"{variant}.jsonl"
        kind, _, strategy = output.replace("_", "-").partition("-")
        # A strategy that is not asked has an empty file, which nobody should take for answers.
        if variant and kind == "answers" and strategy in self._strategies:
            return self.path / kind / f"{variant}-{strategy}.jsonl"
        if output == "statistics":
            return self.path / "statistics" / f"{step}.json"
        return self.path / "artifacts" / step / output

    def step_state(self, step: str) -> dict[str, Any]:
        """What is recorded of a step; empty where it has not ended."""
        state: dict[str, Any] = self._load()["steps"].get(step, {})
        return state

    def record_step(self, step: str, **state: Any) -> None:
        """Record that a step has ended."""
        values = self._load()
        values["steps"][step] = state
        self._save(values)

    def _load(self) -> dict[str, Any]:
        values: dict[str, Any] = read_json(self._state_file)
        return values

    def _save(self, values: dict[str, Any]) -> None:
        write_json(self._state_file, values)


def _lock(file: IO[str], run_id: str) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(
            f"another process works in run {run_id}", fix="wait for it, or stop it first"
        ) from error
