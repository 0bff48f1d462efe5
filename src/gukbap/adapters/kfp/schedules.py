"""What people do with the project's recurring runs: choose one, pause, resume, delete, trigger it."""

from __future__ import annotations

from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.errors import MissingError
from gukbap.adapters.kfp.recurring import RecurringRun, delete_recurring, list_recurring, set_enabled
from gukbap.adapters.kfp.runs import StartedRun, start, timed_name
from gukbap.config import pipeline_name
from gukbap.errors import UsageError


def choose(connection: Connection, reference: str | None) -> RecurringRun:
    """The recurring run with this name, recipe name or id; without a reference, the only one.

    Raises:
        UsageError: there is none, or more than one; those that exist are listed.
    """
    ours = list_recurring(connection)
    names = {reference, pipeline_name(reference)} if reference else set()
    fitting = [run for run in ours if reference is None or run.id == reference or run.name in names]
    if len(fitting) == 1:
        return fitting[0]
    known = ", ".join(f"{run.name} ({run.id})" for run in ours)
    wanted = f" {reference!r}" if reference else ""
    if not fitting:
        raise UsageError(
            f"there is no recurring run{wanted} of gukbap at {connection.endpoint}",
            expected=known or None,
            fix=None if known else "set schedule.cron in the recipe and run `gukbap apply RECIPE`",
        )
    raise UsageError(f"{len(fitting)} recurring runs fit{wanted}", expected=f"one of {known}")


def switch(connection: Connection, run: RecurringRun, enabled: bool) -> bool:
    """Pause or resume a recurring run; returns whether anything changed.

    KFP counts from the last run that it started, or from the recurring run's creation: one that is
    resumed after a missed time fires at once, for the last of them.
    """
    if run.enabled == enabled:
        return False
    try:
        set_enabled(connection, run, enabled)
    except MissingError:
        raise _gone(run) from None
    return True


def remove(connection: Connection, run: RecurringRun) -> None:
    """Delete a recurring run; runs that it has started go on."""
    try:
        delete_recurring(connection, run)
    except MissingError:
        raise _gone(run) from None


def trigger(connection: Connection, run: RecurringRun) -> StartedRun:
    """Start one run now as the recurring run would: latest version, its parameters and experiment.

    It counts among the recurring run's own, so that with a concurrency of one no second starts beside it.
    """
    api = connection.api
    body = api.V2beta1Run(
        display_name=timed_name(run.name),
        experiment_id=run.experiment_id,
        recurring_run_id=run.id,
        service_account=run.service_account,
        pipeline_version_reference=api.V2beta1PipelineVersionReference(pipeline_id=run.pipeline_id),
        runtime_config=api.V2beta1RuntimeConfig(parameters=dict(run.parameters)),
    )
    return start(connection, body, pipeline=run.name)


def _gone(run: RecurringRun) -> UsageError:
    return UsageError(
        f"the recurring run {run.name} ({run.id}) was deleted meanwhile", fix="gukbap schedule list"
    )
