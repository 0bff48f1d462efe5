"""Runs that are found by their tags, and made once even where several processes look for them at one moment.

MLflow has no unique tags, and a run's start time comes from the clock of whoever makes it, so "make
one, look again, keep the oldest" can leave two: a run that is older by its clock may appear after the
other was already taken. What MLflow does have is a parameter that is written once and never changed.
Each candidate's verdict is such a parameter:

- whoever wants to keep a run first declares every other candidate that it sees surplus, which fails
  where that one is kept already;
- of two that keep different runs, each would have had to look before the other's run was there, and
  to make its own run before it looked. Both together cannot be, so one run at most is kept;
- all prefer the oldest, so the oldest of those that compete is never declared surplus by anyone who
  sees it, and one is kept in the end, by whoever comes next if need be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from gukbap.errors import StoreError

PARENT_TAG = "mlflow.parentRunId"
#: the parameter with a candidate's verdict
ELECTION = "gukbap.election"
_KEPT, _SURPLUS = "kept", "surplus"
#: a round is repeated only where another process has changed something meanwhile
_ROUNDS = 100

RunStatus = Literal["FINISHED", "FAILED", "KILLED"]


def find_or_create(client: Any, experiment_id: str, tags: Mapping[str, str], name: str) -> Any:
    """The one run with these tags (an MLflow Run), made where there is none.

    Raises:
        StoreError: the server does not show what was written to it.
    """
    # MLflow's filter language knows no escape for the quote that encloses a value.
    tags = {key: value.replace('"', "'") for key, value in tags.items()}
    made = False
    for _ in range(_ROUNDS):
        candidates = _search(client, experiment_id, tags)
        if candidates:
            kept = _elect(client, candidates)
            if kept is not None:
                return kept
        elif not made:
            client.create_run(experiment_id, tags=tags, run_name=name)
            made = True
    raise StoreError(
        f"MLflow does not settle on one run with the tags {tags}",
        expected="a server whose search shows what was written before",
        fix="run the step again",
    )


def reopen(client: Any, run: Any) -> None:
    """Let a run that has ended go on."""
    if run.info.status != "RUNNING":
        client.update_run(run.info.run_id, status="RUNNING")


def ancestor(client: Any, run: Any) -> Any:
    """The run at the top: a pipeline's exit handler stands as a run of its own between it and the steps."""
    seen = {run.info.run_id}
    while (above := run.data.tags.get(PARENT_TAG)) and above not in seen:
        run = client.get_run(above)
        seen.add(above)
    return run


def end_open_children(client: Any, experiment_id: str, run_id: str, status: RunStatus) -> None:
    """End the nested runs that are still open: their pods were killed before they could do it."""
    query = f'tags.`{PARENT_TAG}` = "{run_id}" and attributes.status = "RUNNING"'
    for child in client.search_runs([experiment_id], query, max_results=1000):
        client.set_terminated(child.info.run_id, status=status)


def _search(client: Any, experiment_id: str, tags: Mapping[str, str]) -> list[Any]:
    """The runs with these tags that are not deleted, the oldest first."""
    query = " and ".join(f'tags.`{key}` = "{value}"' for key, value in tags.items())
    order = ["attributes.start_time ASC", "attributes.run_id ASC"]
    return list(client.search_runs([experiment_id], query, order_by=order))


def _elect(client: Any, candidates: list[Any]) -> Any | None:
    """The run that is kept, all others deleted; None where another process decided meanwhile."""
    kept = next((run for run in candidates if _verdict(run) == _KEPT), None)
    if kept is None:
        undecided = [run for run in candidates if _verdict(run) != _SURPLUS]
        if not undecided:
            return None
        kept = undecided[0]
        verdicts = [(run, _SURPLUS) for run in undecided[1:]] + [(kept, _KEPT)]
        if not all(_declare(client, run, verdict) for run, verdict in verdicts):
            return None
    for run in candidates:
        # A second one that is kept can only be one that a person has restored: not ours to delete.
        if _verdict(run) != _KEPT and run is not kept:
            client.delete_run(run.info.run_id)
    return kept


def _verdict(run: Any) -> str | None:
    found: str | None = run.data.params.get(ELECTION)
    return found


def _declare(client: Any, run: Any, verdict: str) -> bool:
    """Write a candidate's verdict; False where another one stands, or the candidate is gone."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_param(run.info.run_id, ELECTION, verdict)
    except MlflowException:
        now = client.get_run(run.info.run_id)
        if _verdict(now) is None and now.info.lifecycle_stage == "active":
            raise
        return False
    return True
