"""What there is of runs and registered models, as adapters find it and retention rules on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

#: of a run: journals and logs, checkpoints of its training, its trained model, all of it; or a version of
#: a registered model
Part = Literal["journals", "checkpoints", "model", "run", "version"]
#: what is seen as one thing where a run is not deleted whole
RUN_PARTS: tuple[Part, ...] = ("checkpoints", "journals", "model")


@dataclass(frozen=True)
class FoundRun:
    """A run's folder in one place.

    Attributes:
        place: URI of the folder or bucket prefix that holds runs.
        run: its id.
        finished: its last step has ended.
        ended: when its last step did.
        busy: a process works in it.
        pinned: marked to be kept.
        sizes: part → bytes; `run` is all of it.
        work_only: journals and checkpoints alone, as a cluster's claim has them of a run.
    """

    place: str
    run: str
    finished: bool
    ended: datetime
    busy: bool
    pinned: bool
    sizes: Mapping[Part, int]
    work_only: bool = False


@dataclass(frozen=True)
class FoundVersion:
    """A version of a registered model.

    Attributes:
        model: its name.
        number: the version.
        run: id of the run that made it; None where it carries none.
        source: URI of the weights.
        made: when it was registered.
        settled: this project gave it a verdict.
        needed: why it stays; None where nothing needs it.
        pinned: marked to be kept.
    """

    model: str
    number: int
    run: str | None
    source: str
    made: datetime
    settled: bool
    needed: str | None
    pinned: bool


@dataclass(frozen=True)
class FoundRegistry:
    """What MLflow says: the versions of all models, and runs by id that are under way, pinned, or ended
    (whether they finished, and when they ended)."""

    versions: Sequence[FoundVersion] = ()
    open_runs: frozenset[str] = frozenset()
    pinned_runs: frozenset[str] = frozenset()
    ended_runs: Mapping[str, tuple[bool, datetime]] = field(default_factory=dict)

    def of_run(self, run: str) -> Iterable[FoundVersion]:
        """The versions whose weights are a run's, by its id or by where they lie."""
        return (one for one in self.versions if one.run == run or f"/{run}/" in f"{one.source}/")
