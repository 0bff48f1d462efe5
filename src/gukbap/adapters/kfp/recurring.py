"""The recurring run of a recipe: one, with the wanted settings, however often and by whomever applied.

KFP knows no change of a recurring run and no unique names for them. So a hash of the settings stands in
the description; a recurring run with another hash is replaced; and where several have the right hash,
all who look elect the same one: the oldest, then the smallest id.

The order of the writes: create disabled, enable, delete the others. Whoever is killed in between leaves
the old one running (after the first write), or both (after the second), but never none; the next apply
ends the work. Deleting first would leave no schedule at all, and nobody would notice a training that
does not come. A new one is created disabled so that of twenty made at once only the elected ever fires.

Deleting orphans the runs that a recurring run has started: KFP makes it their owner, and by default
Kubernetes would delete a training in progress with it.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from gukbap.adapters.kfp.connection import Connection, by_field
from gukbap.adapters.kfp.errors import MissingError
from gukbap.errors import ClusterError
from gukbap.files import canonical_json, sha256_text

Done = Literal["created", "unchanged", "replaced", "removed", "enabled", "disabled", "healed", "none"]

_MARK = "gukbap-spec:"
_MARKED = re.compile(rf"{_MARK}([0-9a-f]{{64}})")
_ROUNDS = 8
_LONGEST_PAUSE = 0.5


@dataclass(frozen=True)
class RecurringSpec:
    """What a recurring run has to be.

    Attributes:
        name: its display name.
        pipeline_id: without a version, so that each run takes the latest one.
        experiment_id: the experiment of its runs.
        cron: six fields, seconds first.
        enabled: whether it fires; not part of the hash, for KFP can change it.
        parameters: runtime parameters of its runs.
    """

    name: str
    pipeline_id: str
    experiment_id: str
    cron: str
    enabled: bool
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def hash(self) -> str:
        """SHA-256 of everything that only a replacement can change."""
        settings = {
            "pipeline": self.pipeline_id,
            "experiment": self.experiment_id,
            "cron": self.cron,
            "max_concurrency": 1,
            "no_catchup": True,
            "parameters": dict(self.parameters),
        }
        return sha256_text(canonical_json(settings))


@dataclass(frozen=True)
class RecurringRun:
    """A recurring run that this project made; `hash` is that of its settings."""

    id: str
    name: str
    hash: str
    enabled: bool
    cron: str
    pipeline_id: str
    experiment_id: str
    parameters: Mapping[str, Any]
    created_at: datetime
    service_account: str | None = None


def list_recurring(connection: Connection, name: str | None = None) -> list[RecurringRun]:
    """The project's recurring runs (of one name), the oldest first, equal ages by id."""
    found = connection.every(
        "to list recurring runs",
        connection.recurring_runs.recurring_run_service_list_recurring_runs,
        "recurring_runs",
        namespace=connection.namespace,
        filter=by_field("display_name", name) if name else None,
    )
    ours = [_read(run) for run in found if _MARKED.search(run.description or "")]
    return sorted(ours, key=lambda run: (run.created_at, run.id))


def plan(existing: Sequence[RecurringRun], wanted: RecurringSpec | None) -> Done:
    """What `reconcile` would do."""
    if wanted is None:
        return "removed" if existing else "none"
    fitting = [run for run in existing if run.hash == wanted.hash]
    if not fitting:
        return "replaced" if existing else "created"
    if len(existing) > 1:
        return "healed"
    if fitting[0].enabled != wanted.enabled:
        return "enabled" if wanted.enabled else "disabled"
    return "unchanged"


def reconcile(
    connection: Connection, name: str, wanted: RecurringSpec | None
) -> tuple[RecurringRun | None, Done]:
    """Leave exactly one recurring run of this name with the wanted settings, or none.

    Returns:
        It, and what was done; "healed" means that what an interrupted or simultaneous apply had left
        was taken away.

    Raises:
        ClusterError: the API fails, or others keep changing the same recurring run.
    """
    existing = list_recurring(connection, name)
    done = plan(existing, wanted)
    for _ in range(_ROUNDS):
        if wanted is None:
            _delete(connection, existing)
        else:
            _converge(connection, existing, wanted)
        # Another apply with other settings may have deleted ours at the same time.
        existing = list_recurring(connection, name)
        if plan(existing, wanted) in ("unchanged", "none"):
            return (existing[0] if existing else None), done
        time.sleep(random.uniform(0, _LONGEST_PAUSE))
    raise ClusterError(
        f"the recurring run {name} was changed by others {_ROUNDS} times meanwhile",
        fix="let other `gukbap apply` of this recipe finish and try again",
    )


def _converge(connection: Connection, existing: Sequence[RecurringRun], wanted: RecurringSpec) -> None:
    if not any(run.hash == wanted.hash for run in existing):
        _create_disabled(connection, wanted)
        existing = list_recurring(connection, wanted.name)
    elected = next((run for run in existing if run.hash == wanted.hash), None)
    if elected is None:
        return
    try:
        if elected.enabled != wanted.enabled:
            set_enabled(connection, elected, wanted.enabled)
    except MissingError:
        return  # an older one was elected by others
    _delete(connection, [run for run in existing if run.id != elected.id])


def set_enabled(connection: Connection, run: RecurringRun, enabled: bool) -> None:
    """Let a recurring run fire, or not."""
    service = connection.recurring_runs
    request: Callable[..., Any] = (
        service.recurring_run_service_enable_recurring_run
        if enabled
        else service.recurring_run_service_disable_recurring_run
    )
    connection.call(f"to {'enable' if enabled else 'disable'} the recurring run {run.name}", request, run.id)


def delete_recurring(connection: Connection, run: RecurringRun) -> None:
    """Delete a recurring run, but none of the runs that it has started; MissingError if it is gone."""
    connection.call(
        f"to delete the recurring run {run.name}",
        connection.recurring_runs.recurring_run_service_delete_recurring_run,
        run.id,
        propagation_policy="ORPHAN",
    )


def _delete(connection: Connection, runs: Sequence[RecurringRun]) -> None:
    for run in runs:
        try:
            delete_recurring(connection, run)
        except MissingError:
            continue  # another apply was faster


def _create_disabled(connection: Connection, wanted: RecurringSpec) -> None:
    api = connection.api
    body = api.V2beta1RecurringRun(
        display_name=wanted.name,
        description=f"Scheduled retraining, kept by `gukbap apply`. {_MARK}{wanted.hash}",
        pipeline_version_reference=api.V2beta1PipelineVersionReference(pipeline_id=wanted.pipeline_id),
        experiment_id=wanted.experiment_id,
        namespace=connection.namespace,
        runtime_config=api.V2beta1RuntimeConfig(parameters=dict(wanted.parameters)),
        trigger=api.V2beta1Trigger(cron_schedule=api.V2beta1CronSchedule(cron=wanted.cron)),
        mode="DISABLE",
        max_concurrency="1",
        no_catchup=True,
    )
    connection.call(
        f"to create the recurring run {wanted.name}",
        connection.recurring_runs.recurring_run_service_create_recurring_run,
        body,
    )


def _read(run: Any) -> RecurringRun:
    reference, config = run.pipeline_version_reference, run.runtime_config
    schedule = run.trigger.cron_schedule if run.trigger else None
    marked = _MARKED.search(run.description or "")
    return RecurringRun(
        id=str(run.recurring_run_id),
        name=str(run.display_name),
        hash=marked.group(1) if marked else "",
        enabled=run.status == "ENABLED" or run.mode == "ENABLE",
        cron=str(schedule.cron) if schedule else "",
        pipeline_id=str(reference.pipeline_id) if reference else "",
        experiment_id=str(run.experiment_id or ""),
        parameters=dict(config.parameters or {}) if config else {},
        created_at=run.created_at,
        service_account=run.service_account or None,
    )
