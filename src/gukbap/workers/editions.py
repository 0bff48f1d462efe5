"""Which steps of a new run may be taken from the cache, and under which name.

KFP reuses a step whose inputs are unchanged, even when its artifacts were deleted since, and reuses
what a scheduled run should make anew. So every step has an *edition* among its inputs: a key of all
that the step depends on, and, where the step must run though nothing changed, the run's id after it.

The ledger is a folder of the cluster's work claim with one file a key: the edition that was made last,
and where its artifacts lie. A run that finds an artifact gone gives the step a new edition, and with it
every step after it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gukbap import __version__
from gukbap.config import StageSettings
from gukbap.errors import InputError
from gukbap.files import canonical_json, read_json, sha256_text, write_json

Verdict = Literal["new", "known", "gone", "fresh"]


@dataclass(frozen=True)
class Planned:
    """A step's edition, and why it is that one.

    `new`: never made before; `known`: made, and its artifacts are there; `gone`: an artifact is not;
    `fresh`: the run asks for new data.
    """

    edition: str
    verdict: Verdict


class Ledger:
    """What was made under which edition, a file for each key."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def edition(self, key: str) -> tuple[str, list[str]] | None:
        """The edition made last under a key, and its artifacts' URIs; None where there is none."""
        file = self._file(key)
        if not file.exists():
            return None
        try:
            values = read_json(file)
            return str(values["edition"]), [str(uri) for uri in values["artifacts"]]
        except (InputError, KeyError, TypeError):
            return None  # a damaged note is worth a rebuild, not a failed run

    def record(self, edition: str, artifacts: Sequence[str]) -> None:
        """Note that a step's work is done; a later note replaces an earlier one."""
        key = edition.partition(".")[0]
        write_json(self._file(key), {"edition": edition, "artifacts": sorted(artifacts)})

    def _file(self, key: str) -> Path:
        return self._folder / f"{key}.json"


def plan_editions(
    settings: Mapping[str, StageSettings],
    needs: Mapping[str, Sequence[str]],
    *,
    run_id: str,
    fresh: Sequence[str],
    ledger: Ledger | None,
    is_there: Callable[[str], bool],
) -> dict[str, Planned]:
    """An edition for each step.

    Args:
        settings: step → its settings; producers before consumers.
        needs: step → the steps whose artifacts it reads.
        run_id: this run's id, which makes an edition of its own.
        fresh: steps that are made anew whatever is known of them.
        ledger: what was made before; None where there is no place for one.
        is_there: whether an artifact's URI still leads to something.
    """
    planned: dict[str, Planned] = {}
    for step, values in settings.items():
        key = _key(values, [planned[producer].edition for producer in needs[step]])
        planned[step] = _plan(key, step in fresh, run_id, ledger, is_there)
    return planned


def _key(settings: StageSettings, upstream: Sequence[str]) -> str:
    values = settings.model_copy(update={"edition": ""}).model_dump(mode="json")
    return sha256_text(canonical_json([__version__, values, list(upstream)]))[:16]


def _plan(
    key: str, fresh: bool, run_id: str, ledger: Ledger | None, is_there: Callable[[str], bool]
) -> Planned:
    own = f"{key}.{run_id}"
    if fresh:
        return Planned(own, "fresh")
    known = ledger.edition(key) if ledger else None
    if known is None:
        return Planned(key, "new")
    edition, artifacts = known
    if all(is_there(uri) for uri in artifacts):
        return Planned(edition, "known")
    return Planned(own, "gone")
