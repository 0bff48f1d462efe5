"""Which version of a registered model is the champion: a log in MLflow that settles it for everybody.

MLflow moves an alias for whoever asks, and has no "only if it is still that one". What it does have is a
parameter that is written once and never changed (see mlflow_election). So every change of a model's
champion is a numbered parameter of one run, the model's log: of two processes that compared with the
same champion and write the next number, one fails, looks again, and decides again.

The aliases follow the log. Between a change and its alias a process may be killed: the alias then still
leads to the former champion until anybody (a retry, the next run, `gukbap rollback`) calls `settled`.
A change whose alias was set is marked as shown, so an alias that leads elsewhere later was moved by a
person, who is believed: that becomes a change of its own.

Limits. A process that is stopped between its last look at the log and its write of the alias, for as long
as another one takes to promote, and killed right after that write, leaves the alias on a model that was
champion before, and that then counts as moved by a person. Whoever deletes the log's run deletes the
history; the alias then stands as it is.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from gukbap.adapters.mlflow_client import find_experiment
from gukbap.adapters.mlflow_election import find_or_create
from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_versions import aliases, drop_alias, set_alias, versions
from gukbap.errors import StoreError
from gukbap.files import canonical_json

#: the newest registered version
CHALLENGER = "challenger"
#: the version that serves
CHAMPION = "champion"
#: the champion before this one, to go back to
PREVIOUS = "previous"
#: the experiment with one run a model, whose parameters are the model's log
EXPERIMENT = "gukbap promotions"
_MODEL_TAG = "gukbap.promotions"
_NUMBER = re.compile(r"^\d{4,}$")
_SHOWN = ".shown"
#: a round is repeated only where another process has changed something meanwhile
_ROUNDS = 100

Kind = Literal["promotion", "rollback", "adopted"]


@dataclass(frozen=True)
class Change:
    """A change of the champion; `adopted`: the alias was there, or was moved, without this project."""

    number: int
    kind: Kind
    version: int
    #: ISO 8601, UTC, by the clock of whoever made it
    at: str
    #: a random name of whoever made it: two that write the same at one moment are told apart
    by: str = ""


@dataclass(frozen=True)
class Standing:
    """Who is champion, and how it came to that."""

    champion: int | None
    previous: int | None
    changes: tuple[Change, ...]
    #: versions that are or were champion and that the registry still has
    remaining: frozenset[int] = frozenset()

    @property
    def number(self) -> int:
        """Of the last change; 0 before the first."""
        return self.changes[-1].number if self.changes else 0

    def was_champion(self, version: int) -> bool:
        """Whether a version is or was the champion."""
        return any(change.version == version for change in self.changes)


def standing(changes: Sequence[Change], existing: Collection[int]) -> Standing:
    """What a log comes to: a promotion stands upon the champion before it, a rollback takes away.

    Args:
        changes: in their order.
        existing: versions that the registry still has; a deleted one is nobody's champion.
    """
    line: list[int] = []
    for change in changes:
        if change.kind != "promotion" and change.version in line:
            while line[-1] != change.version:
                line.pop()
        elif not line or line[-1] != change.version:
            line.append(change.version)
    left = [version for version in line if version in existing]
    return Standing(
        champion=left[-1] if left else None,
        previous=next((version for version in reversed(left) if version != left[-1]), None),
        changes=tuple(changes),
        remaining=frozenset(change.version for change in changes if change.version in existing),
    )


def read_changes(client: Any, model: str) -> list[Change]:
    """The changes of a model's champion, the first one first; nothing is written. Errors are MLflow's own."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None:
        return []
    name = model.replace('"', "'")
    found = client.search_runs([experiment.experiment_id], f'tags.`{_MODEL_TAG}` = "{name}"')
    # Of runs that an election has not settled yet, one at most has changes.
    return max((_changes(run.data.params) for run in found), key=len, default=[])


def _changes(params: Mapping[str, str]) -> list[Change]:
    numbers = sorted(int(key) for key in params if _NUMBER.match(key))
    return [Change(number=number, **json.loads(params[f"{number:04d}"])) for number in numbers]


class PromotionLog:
    """The changes of one registered model's champion."""

    def __init__(self, client: Any, uri: str, model: str) -> None:
        """Find the model's log, or begin it.

        Raises:
            StoreError: MLflow refuses or cannot be reached.
        """
        self._client, self._uri, self._model = client, uri, model
        with alone(uri), explained(uri):
            experiment = find_experiment(client, EXPERIMENT, uri)
            self.run_id: str = find_or_create(client, experiment, {_MODEL_TAG: model}, model).info.run_id

    def settled(self) -> Standing:
        """Make the aliases lead where the log says, and tell it.

        Raises:
            StoreError: MLflow refuses or cannot be reached.
        """
        with alone(self._uri), explained(self._uri):
            for _ in range(_ROUNDS):
                changes, shown = self._read()
                found = standing(changes, {int(one.version) for one in versions(self._client, self._model)})
                held = aliases(self._client, self._model)
                if self._agree(found, held, shown):
                    return found
        raise StoreError(
            f"the aliases of {self._model} do not come to rest",
            expected="a registry whose answers show what was written before",
            fix="run the command again",
        )

    def _agree(self, found: Standing, held: dict[str, int], shown: bool) -> bool:
        """Whether log and aliases say the same; if not, one step towards it is taken."""
        champion = held.get(CHAMPION)
        if champion is not None and champion != found.champion and (shown or not found.changes):
            self._append(found.number + 1, "adopted", champion)
            return False
        if found.champion is None:
            return True
        if champion != found.champion:
            # `previous` first: killed in between, both are still found.
            if found.previous is not None:
                set_alias(self._client, self._model, PREVIOUS, found.previous)
            set_alias(self._client, self._model, CHAMPION, found.champion)
            return False
        if found.previous != held.get(PREVIOUS):
            if found.previous is None:
                drop_alias(self._client, self._model, PREVIOUS)
            else:
                set_alias(self._client, self._model, PREVIOUS, found.previous)
        if not shown:
            self._client.log_param(self.run_id, f"{found.number:04d}{_SHOWN}", "yes")
        return True

    def change(self, kind: Kind, version: int, *, after: Standing) -> bool:
        """Make a version the champion, if nothing has changed since `after` was told.

        Returns:
            Whether it is in the log; then `settled` moves the aliases. False: somebody was quicker.

        Raises:
            StoreError: MLflow refuses or cannot be reached.
        """
        with alone(self._uri), explained(self._uri):
            return self._append(after.number + 1, kind, version)

    def _read(self) -> tuple[list[Change], bool]:
        """The changes, and whether the aliases were seen to follow the last one."""
        params = self._client.get_run(self.run_id).data.params
        changes = _changes(params)
        return changes, bool(changes) and f"{changes[-1].number:04d}{_SHOWN}" in params

    def _append(self, number: int, kind: Kind, version: int) -> bool:
        from mlflow.exceptions import MlflowException

        key = f"{number:04d}"
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        by = secrets.token_hex(8)
        text = canonical_json({"kind": kind, "version": version, "at": at, "by": by})
        try:
            self._client.log_param(self.run_id, key, text)
        except MlflowException:
            found = self._client.get_run(self.run_id).data.params.get(key)
            if found is None:
                raise
            return bool(found == text)
        return True

    def attach(self, name: str, text: str) -> str:
        """Keep a record beside the log; returns its URI.

        Raises:
            StoreError: MLflow refuses or cannot be reached.
        """
        with explained(self._uri):
            self._client.log_text(self.run_id, text, name)
        return f"runs:/{self.run_id}/{name}"
