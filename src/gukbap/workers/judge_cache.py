"""Verdicts that were paid for once, for all runs of this machine or cluster."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gukbap.adapters.model_cache import cache_folder
from gukbap.adapters.redaction import redacted
from gukbap.config import Endpoint, JudgeSettings
from gukbap.files import canonical_json, sha256_text
from gukbap.handover import JUDGE_CACHE
from gukbap.journal import Journal
from gukbap.workers.context import shared_folder


@contextmanager
def judge_cache(settings: JudgeSettings) -> Iterator[Journal | None]:
    """The replies of this judge to any run; None where they are not to be shared.

    A scripted judge costs nothing and is never cached. One journal a judge, which several processes
    may append to at once: verdicts are few (252 in a run of the card), so the whole is read at the start.
    """
    endpoint = settings.judge.endpoint
    if not settings.judge.cache or (endpoint.base_url is None and endpoint.model.startswith("scripted://")):
        yield None
        return
    with Journal(_folder() / f"{_identity(endpoint)}.jsonl", shared=True) as journal:
        yield journal


def _folder() -> Path:
    named, shared = os.environ.get(JUDGE_CACHE), shared_folder()
    return Path(named) if named else (shared or cache_folder()) / "judge-cache"


def _identity(endpoint: Endpoint) -> str:
    """A server may have other weights under the same name, so its address counts."""
    where = redacted(endpoint.base_url) if endpoint.base_url else None
    return sha256_text(canonical_json([endpoint.model, where, endpoint.context_length]))[:16]
