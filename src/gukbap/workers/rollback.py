"""Going back to a former champion."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from gukbap.config import NAME_PREFIX
from gukbap.errors import InputError, StoreError, UsageError

if TYPE_CHECKING:
    from gukbap.adapters.mlflow_promotions import PromotionLog, Standing

#: a round is repeated only where another process changed the champion meanwhile
_ROUNDS = 20


@dataclass(frozen=True)
class Rollback:
    """What became of the wish to go back."""

    model: str
    #: the champion before and after; equal where nothing had to be done
    before: int
    after: int
    reason: str
    #: where the record lies; None where nothing was changed
    record: str | None = None

    @property
    def changed(self) -> bool:
        """Whether the champion is another one now."""
        return self.before != self.after


def roll_back(tracking_uri: str, model: str | None, to: int | None) -> Rollback:
    """Make a former champion the champion again.

    Without `to` the last promotion is taken back. Where the last change was a rollback already nothing is
    done, so that a repeated command, or a retry of one that was killed, never goes back twice.

    Args:
        tracking_uri: MLflow.
        model: name in the registry; None: the only model of this project there.
        to: the version to go back to; it must have been champion.

    Raises:
        InputError: no such model, no champion, or the version never was one.
        StoreError: MLflow refuses or cannot be reached.
    """
    from gukbap.adapters.mlflow_client import open_client
    from gukbap.adapters.mlflow_promotions import PromotionLog

    client = open_client(tracking_uri)
    name = _model(client, tracking_uri, model)
    log = PromotionLog(client, tracking_uri, name)
    for _ in range(_ROUNDS):
        standing = log.settled()
        found = _wanted(name, standing, to)
        if not found.changed:
            return found
        if log.change("rollback", found.after, after=standing):
            log.settled()
            return _recorded(log, standing.number + 1, found)
    raise StoreError(f"the champion of {name} changed {_ROUNDS} times meanwhile", fix="run the command again")


def _wanted(name: str, standing: Standing, to: int | None) -> Rollback:
    champion = standing.champion
    if champion is None:
        raise InputError(
            f"{name} has no champion to go back from", fix="promote one first: gukbap promote RUN"
        )
    if to == champion:
        return Rollback(name, champion, champion, f"version {to} is the champion already")
    if to is not None:
        if not standing.was_champion(to):
            former = sorted({change.version for change in standing.changes})
            raise InputError(
                f"version {to} of {name} was never the champion",
                expected=f"one of {', '.join(map(str, former))}",
                fix="a new champion needs evidence: gukbap promote RUN",
            )
        if to not in standing.remaining:
            raise InputError(
                f"version {to} of {name} is deleted",
                expected=f"one of {', '.join(map(str, sorted(standing.remaining)))}",
                fix="promote a run that is there: gukbap promote RUN",
            )
        return Rollback(name, champion, to, f"version {to} was asked for")
    last = standing.changes[-1]
    if last.kind == "rollback":
        return Rollback(
            name,
            champion,
            champion,
            f"the last change was a rollback already (to version {last.version}, {last.at}); "
            "name a version with --to to go further back",
        )
    if standing.previous is None:
        raise InputError(
            f"version {champion} of {name} is its first champion: there is none to go back to",
            fix="name a version with --to, or promote another run",
        )
    return Rollback(name, champion, standing.previous, f"the promotion of version {champion} is taken back")


def _recorded(log: PromotionLog, number: int, found: Rollback) -> Rollback:
    title = f"{number:04d}-rollback"
    uri = log.attach(f"{title}.json", json.dumps({**asdict(found), "number": number}, indent=2) + "\n")
    log.attach(
        f"{title}.md",
        f"# {found.model}: rolled back\n\nFrom version {found.before} to version {found.after}: "
        f"{found.reason}.\n",
    )
    return Rollback(found.model, found.before, found.after, found.reason, uri)


def _model(client: object, uri: str, name: str | None) -> str:
    from gukbap.adapters.mlflow_versions import model_names

    known = model_names(client, uri)
    if name is not None:
        if name not in known:
            raise InputError(
                f"the registry has no model {name!r}", expected=f"one of {', '.join(known) or 'none'}"
            )
        return name
    own = [one for one in known if one.startswith(NAME_PREFIX)]
    if len(own) != 1:
        raise UsageError(
            "no model was named",
            expected=f"one of {', '.join(own or known) or 'none'}",
            fix="gukbap rollback MODEL",
        )
    return own[0]
