"""What MLflow's registry and runs say of who is still needed, read without writing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from gukbap.adapters.mlflow_client import open_client
from gukbap.adapters.mlflow_election import PARENT_TAG
from gukbap.adapters.mlflow_errors import explained
from gukbap.adapters.mlflow_promotions import read_changes, standing
from gukbap.adapters.mlflow_registry import VERDICT_TAG
from gukbap.adapters.mlflow_sqlite import alone
from gukbap.adapters.mlflow_tags import RUN_TAG
from gukbap.adapters.mlflow_versions import aliases, delete_version, model_names, versions
from gukbap.holdings import FoundRegistry, FoundVersion

#: on a run or a version, with any value: nothing of it goes
KEEP_TAG = "gukbap.keep"
_PAGE = 1000
_UNDER_WAY = ("RUNNING", "SCHEDULED")


def read_registry(uri: str, model_changes: int) -> FoundRegistry:
    """Every version of every model, and which runs are under way or pinned.

    Args:
        uri: MLflow.
        model_changes: versions of the newest so many changes of champion are needed, too.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    client = open_client(uri)
    names = model_names(client, uri)
    with alone(uri), explained(uri):
        # Runs first: one that ends in between has registered its version by then.
        runs = _parents(client)
        found = [version for name in names for version in _versions(client, name, model_changes)]
    return FoundRegistry(
        versions=found,
        open_runs=frozenset(run for run, one in runs if one.info.status in _UNDER_WAY),
        pinned_runs=frozenset(run for run, one in runs if KEEP_TAG in one.data.tags),
        ended_runs={
            run: (one.info.status == "FINISHED", datetime.fromtimestamp(one.info.end_time / 1000, UTC))
            for run, one in runs
            if one.info.status not in _UNDER_WAY and one.info.end_time
        },
    )


def remove_version(uri: str, model: str, number: int) -> None:
    """Delete a version; nothing happens where there is none.

    Raises:
        StoreError: MLflow refuses or cannot be reached.
    """
    client = open_client(uri)
    with alone(uri), explained(uri):
        for version in versions(client, model):
            if int(version.version) == number:
                delete_version(client, model, version)


def _versions(client: Any, name: str, model_changes: int) -> Iterator[FoundVersion]:
    there = versions(client, name)
    needed = _needed(client, name, [int(one.version) for one in there], model_changes)
    for one in there:
        number = int(one.version)
        yield FoundVersion(
            model=name,
            number=number,
            run=one.tags.get(RUN_TAG),
            source=str(one.source),
            made=datetime.fromtimestamp(one.creation_timestamp / 1000, UTC),
            settled=VERDICT_TAG in one.tags,
            needed=needed.get(number),
            pinned=KEEP_TAG in one.tags,
        )


def _needed(client: Any, name: str, there: Sequence[int], model_changes: int) -> dict[int, str]:
    """Version → why it stays; the strongest reason, where there are several."""
    changes = read_changes(client, name)
    recent = changes[-model_changes:] if model_changes else []
    needed = {
        change.version: f"change {change.number} of {name}'s champion, one of the newest {model_changes}"
        for change in recent
    }
    # A promotion that was killed before its alias stands in the log alone.
    said = standing(changes, there)
    for role, number in (("previous", said.previous), ("champion", said.champion)):
        if number is not None:
            needed[number] = f"{role} of {name}, by its log"
    return needed | {number: f"{alias} of {name}" for alias, number in sorted(aliases(client, name).items())}


def _parents(client: Any) -> list[tuple[str, Any]]:
    """Every run that is a pipeline's, of any experiment, with its own id."""
    experiments = [one.experiment_id for one in _pages(client.search_experiments)]
    if not experiments:
        return []
    found = _pages(lambda **page: client.search_runs(experiments, f"tags.`{RUN_TAG}` != ''", **page))
    return [(run.data.tags[RUN_TAG], run) for run in found if PARENT_TAG not in run.data.tags]


def _pages(search: Any) -> Iterator[Any]:
    token = None
    while True:
        page = search(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return
