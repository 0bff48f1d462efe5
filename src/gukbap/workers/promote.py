"""The promote step: decide, write the decision down, and register the model where there is a registry."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gukbap import __version__
from gukbap.config import PromoteSettings
from gukbap.files import read_json, write_json
from gukbap.handover import RUN_ID
from gukbap.stages.promote import Decision, decide
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors

if TYPE_CHECKING:
    from gukbap.adapters.mlflow_registry import Registered


@leaving_errors
def run_promote(
    settings: PromoteSettings,
    *,
    scores: Path,
    model_uri: str,
    model_sha256: str | None,
    decision: Path,
) -> Outcome:
    """Decide on promotion and register the model.

    A repeated attempt finds what an earlier one has registered. The decision is written only when the
    registry has it.

    Args:
        settings: the registered model's name, the gain that is asked for, the strategy that decides.
        scores: the report step's scores.json.
        model_uri: where the tuned model lies: a path, or s3://, minio://, ….
        model_sha256: its fingerprint, where known.
        decision: JSON of the Decision, with `registered` (model, version, source, aliases) or
            `not_registered` (why).

    Raises:
        InputError: `scores` is not what the report step writes.
        StoreError: MLflow refuses or cannot be reached.
    """
    document = read_json(scores)
    with context.tracked(settings.step, settings) as log:
        decided = decide(settings, document)
        registered, reason = _register(settings, decided, document, model_uri, model_sha256)
        if reason:
            context.progress().say(f"{settings.registered_model} is not registered: {reason}")
        facts = {
            **decided.model_dump(mode="json"),
            "registered": _facts(registered) if registered else None,
            "not_registered": reason,
        }
        write_json(decision, facts)
        outcome = Outcome(facts, {"verdict": decided.verdict})
        log(outcome)
    return outcome


def _register(
    settings: PromoteSettings,
    decided: Decision,
    scores: Mapping[str, Any],
    model_uri: str,
    model_sha256: str | None,
) -> tuple[Registered | None, str | None]:
    """What was registered, or why nothing was."""
    from gukbap.adapters.mlflow_registry import reason_against, register_model
    from gukbap.adapters.mlflow_tracker import RUN_TAG, parent_from_environment
    from gukbap.adapters.null_tracker import NullTracker

    parent = parent_from_environment()
    if isinstance(parent, NullTracker):
        return None, "there is no MLflow: MLFLOW_TRACKING_URI is not set"
    parent.tags({"gukbap.verdict": decided.verdict})
    if settings.scripted or scores["scripted"]:
        return None, "a scripted model took part in this run"
    if reason := reason_against(parent, model_uri):
        return None, reason
    known = {
        RUN_TAG: os.environ.get(RUN_ID),
        "gukbap.recipe": scores.get("recipe", {}).get("name"),
        "gukbap.recipe_hash": scores.get("recipe", {}).get("hash"),
        "gukbap.version": __version__,
        "gukbap.model_sha256": model_sha256,
    }
    registered = register_model(
        parent,
        settings.registered_model,
        model_uri=model_uri,
        verdict=decided.verdict,
        description=f"{decided.verdict}: {'; '.join(decided.reasons)}",
        tags={key: value for key, value in known.items() if value},
    )
    parent.tags({"gukbap.registered_model": f"{registered.model}/{registered.version}"})
    return registered, None


def _facts(registered: Registered) -> dict[str, Any]:
    return {
        "model": registered.model,
        "version": registered.version,
        "source": registered.source,
        "aliases": list(registered.aliases),
    }
