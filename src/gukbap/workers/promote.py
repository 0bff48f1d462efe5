"""The promote step: compare with the champion, write the decision down, and register the model where there
is a registry."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from gukbap import __version__
from gukbap.config import PromoteSettings
from gukbap.errors import InputError, StoreError
from gukbap.files import canonical_json, read_json, read_jsonl, write_json, write_jsonl
from gukbap.handover import RUN_ID
from gukbap.schemas import SUBJECTS, Judgement
from gukbap.stages.evaluation_identity import EvaluationIdentity
from gukbap.stages.promote import (
    Conditions,
    Contender,
    Decision,
    RunEvidence,
    decide,
    decision_text,
    read_evidence,
    reasons_apart,
)
from gukbap.workers import context
from gukbap.workers.context import Outcome, leaving_errors

if TYPE_CHECKING:
    from gukbap.adapters.mlflow_promotions import Standing
    from gukbap.adapters.mlflow_registry import ModelRegistry, Registered
    from gukbap.adapters.mlflow_tracker import MlflowTracker

#: a round is repeated only where another run became champion meanwhile
_ROUNDS = 20


class _Scores(BaseModel):
    """The parts of scores.json that a decision rests on, besides its evidence."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    scripted: bool
    judge_is_teacher: bool
    recipe: dict[str, str] = {}


@dataclass(frozen=True)
class _Run:
    """A run that asks to be promoted."""

    settings: PromoteSettings
    scores: _Scores
    evidence: RunEvidence
    judgements: Sequence[Judgement]
    model_uri: str
    model_sha256: str | None

    def contender(self, subject: str) -> Contender:
        """One of the run's own subjects under the strategy that decides."""
        return Contender(subject, self.under_strategy(self.judgements, subject), self.evidence.evaluation)

    def under_strategy(self, judgements: Sequence[Judgement], subject: str) -> list[Judgement]:
        """A subject's judgements under the strategy that decides."""
        strategy = self.settings.promote.strategy
        return [one for one in judgements if (one.subject, one.strategy) == (subject, strategy)]

    def decide(self, other: Contender, champion_version: int | None = None) -> Decision:
        """The decision against the base or a champion."""
        return decide(
            self.settings,
            self.contender(SUBJECTS[1]),
            other,
            self.evidence,
            Conditions(scripted=self.scores.scripted, judge_is_teacher=self.scores.judge_is_teacher),
            champion_version=champion_version,
        )


@leaving_errors
def run_promote(
    settings: PromoteSettings,
    *,
    scores: Path,
    judgements: Sequence[Path],
    model_uri: str,
    model_sha256: str | None,
    decision: Path,
    again: bool = False,
) -> Outcome:
    """Decide on promotion, register the model, and make it the champion where the evidence says so.

    It is compared with the champion; where there is none (or no registry) with its own base. A repeated
    attempt finds what an earlier one has registered and decided. The decision is written only when the
    registry has it.

    Args:
        settings: the registered model's name, the gain that is asked for, the strategy that decides.
        scores: the report step's scores.json.
        judgements: files of Judgement of the run; one of a strategy that is left out may be empty.
        model_uri: where the tuned model lies: a path, or s3://, minio://, ….
        model_sha256: its fingerprint, where known.
        decision: JSON of the Decision, with `registered` (model, version, source, aliases) or
            `not_registered` (why).
        again: decide anew where the run has a decision already; a champion stays what it is.

    Raises:
        InputError: `scores` is not what the report step writes.
        StoreError: MLflow refuses or cannot be reached.
    """
    document = read_json(scores)
    run = _Run(
        settings=settings,
        scores=_read_scores(document),
        evidence=read_evidence(document),
        judgements=[one for path in judgements for one in read_jsonl(path, Judgement, allow_empty=True)],
        model_uri=model_uri,
        model_sha256=model_sha256,
    )
    with context.tracked(settings.step, settings) as log:
        decided, registered, reason = _decided(run, again)
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


def _read_scores(document: Any) -> _Scores:
    try:
        return _Scores.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InputError(
            f"scores: {field}: {first['msg']}",
            expected="the scores.json that the report step writes",
        ) from error


def _decided(run: _Run, again: bool) -> tuple[Decision, Registered | None, str | None]:
    """The decision, what was registered, and why nothing was."""
    from gukbap.adapters.mlflow_registry import reason_against
    from gukbap.adapters.mlflow_tracker import parent_from_environment
    from gukbap.adapters.null_tracker import NullTracker

    parent = parent_from_environment()
    if isinstance(parent, NullTracker):
        return _without_registry(run), None, "there is no MLflow: MLFLOW_TRACKING_URI is not set"
    reason = (
        "a scripted model took part in this run"
        if run.settings.scripted or run.scores.scripted
        else reason_against(parent, run.model_uri)
    )
    if reason:
        decided = _without_registry(run)
        parent.tags({"gukbap.verdict": decided.verdict})
        return decided, None, reason
    decided, registered = _in_registry(run, parent, again)
    parent.tags(
        {
            "gukbap.verdict": decided.verdict,
            "gukbap.registered_model": f"{registered.model}/{registered.version}",
        }
    )
    return decided, registered, None


def _without_registry(run: _Run) -> Decision:
    return run.decide(run.contender(SUBJECTS[0]))


def _in_registry(run: _Run, parent: MlflowTracker, again: bool) -> tuple[Decision, Registered]:
    from gukbap.adapters.mlflow_registry import ModelRegistry

    registry = ModelRegistry(parent, run.settings.registered_model)
    number = registry.own_version(run.model_uri, _labels(run))
    _keep_judgements(registry, number, run)
    decided = _kept_decision(registry, number, again)
    if decided is None:
        decided = _compete(run, registry, number)
    text = decision_text(decided, f"{registry.name} version {number}")
    return decided, registry.settle(number, decided.verdict, text)


def _kept_decision(registry: ModelRegistry, number: int, again: bool) -> Decision | None:
    """What an earlier attempt has decided: once it is settled, or the champion rests on it."""
    standing = registry.log.settled()
    champion = standing.champion == number
    promoted = any(one.kind == "promotion" and one.version == number for one in standing.changes)
    if not champion and (again or not (promoted or registry.verdict_of(number))):
        return None
    text = registry.recorded()
    return Decision.model_validate_json(text) if text else None


def _compete(run: _Run, registry: ModelRegistry, number: int) -> Decision:
    """Compare with the champion, and become it; anew where another run was quicker."""
    for _ in range(_ROUNDS):
        standing = registry.log.settled()
        decided = _against(run, registry, number, standing)
        name = f"{registry.name} version {number}"
        # First, so that whoever is champion has a record.
        registry.record(number, _json(decided), decision_text(decided, name))
        if decided.verdict != "promoted" or standing.champion == number:
            return decided
        if registry.log.change("promotion", number, after=standing):
            registry.log.settled()
            return decided
        context.progress().say(f"the champion of {registry.name} has changed: comparing with the new one")
    raise StoreError(
        f"the champion of {registry.name} changed {_ROUNDS} times while this run was compared with it",
        fix="run the step again when fewer runs promote at once",
    )


def _against(run: _Run, registry: ModelRegistry, number: int, standing: Standing) -> Decision:
    if standing.champion in (None, number):
        return _without_registry(run)
    champion = _champion(run, registry, standing.champion)
    tuned = run.contender(SUBJECTS[1])
    if run.settings.rejudging and champion.judgements and reasons_apart(run.settings, tuned, champion):
        champion = _judged_again(run, champion)
    return run.decide(champion, standing.champion)


def _champion(run: _Run, registry: ModelRegistry, version: int) -> Contender:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "judgements.jsonl"
        evaluation = registry.judgements_of(version, file)
        found = read_jsonl(file, Judgement) if evaluation is not None else []
    identity = TypeAdapter(EvaluationIdentity | None).validate_json(evaluation or "null")
    return Contender(f"champion (version {version})", run.under_strategy(found, SUBJECTS[1]), identity)


def _judged_again(run: _Run, champion: Contender) -> Contender:
    """The champion with scores of this run's judge; as it was where its questions are others."""
    from gukbap.workers.rejudge import judge_again

    ours, theirs = run.evidence.evaluation, champion.evaluation
    settings = run.settings.rejudging
    if settings is None or ours is None or theirs is None:
        return champion
    same_rubric = theirs.model_copy(update={"rubric_sha256": ours.rubric_sha256})
    if same_rubric.differences(ours, run.settings.promote.strategy):
        return champion
    context.progress().say(f"the {champion.name} is judged again by this run's judge")
    return replace(champion, judgements=judge_again(settings, champion.judgements), evaluation=ours)


def _keep_judgements(registry: ModelRegistry, number: int, run: _Run) -> None:
    tuned = [one for one in run.judgements if one.subject == SUBJECTS[1]]
    if not tuned:
        return
    evaluation = run.evidence.evaluation
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "judgements.jsonl"
        write_jsonl(file, tuned)
        registry.keep_judgements(
            number, file, canonical_json(evaluation.model_dump(mode="json") if evaluation else None)
        )


def _labels(run: _Run) -> Mapping[str, str]:
    from gukbap.adapters.mlflow_tracker import RUN_TAG

    known = {
        RUN_TAG: os.environ.get(RUN_ID),
        "gukbap.recipe": run.scores.recipe.get("name"),
        "gukbap.recipe_hash": run.scores.recipe.get("hash"),
        "gukbap.version": __version__,
        "gukbap.model_sha256": run.model_sha256,
    }
    return {key: value for key, value in known.items() if value}


def _json(decided: Decision) -> str:
    return json.dumps(decided.model_dump(mode="json"), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _facts(registered: Registered) -> dict[str, Any]:
    return {
        "model": registered.model,
        "version": registered.version,
        "source": registered.source,
        "aliases": list(registered.aliases),
    }
