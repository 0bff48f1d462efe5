"""Generation through a provider's batches: requests into a file, results out of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gukbap.config import Endpoint, host_of
from gukbap.errors import ConfigError
from gukbap.journal import Journal
from gukbap.ports import Completion, Progress, Sampling
from gukbap.schemas import Message
from gukbap.stages.batch import Pending, PendingError, read_results


@dataclass(frozen=True)
class BatchFiles:
    """Where the next requests are written, and the results of earlier ones."""

    requests: Path
    results: Sequence[Path] = ()


@dataclass(frozen=True)
class Unsent:
    """The teacher's name and nothing else: what is asked of it goes into a file."""

    name: str
    concurrency: int = 1

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Never called: calls are noted before they come here."""
        raise PendingError("this teacher is asked through batch files")


def open_batch(endpoint: Endpoint) -> tuple[Unsent, Pending]:
    """The teacher of an endpoint as a name, and where its calls are noted.

    Raises:
        ConfigError: it is no server's model.
    """
    if endpoint.base_url is None:
        raise ConfigError(
            f"{endpoint.model} is served in this process, not by a provider",
            expected="teacher.base_url of the provider that answers the batches",
        )
    return Unsent(endpoint.model), Pending(endpoint.model)


def take_results(files: BatchFiles, endpoint: Endpoint, journal: Journal, progress: Progress) -> None:
    """Read results into the journal: each counts once, and a call that failed stays open.

    Raises:
        InputError: a file is missing or is none of results.
    """
    from gukbap.adapters.openai_chat import read_completion
    from gukbap.stages.calls import journal_entry

    host = host_of(endpoint.base_url)
    for path in files.results:
        entries, failed = {}, 0
        for result in read_results(path):
            completion = read_completion(result.reply) if result.reply is not None else None
            if completion is None:
                failed += 1
            elif result.custom_id not in journal:
                entries[result.custom_id] = journal_entry(replace(completion, host=host))
        if entries:
            journal.record_all(entries)
        progress.say(f"{path}: {len(entries)} new replies" + (f", {failed} failed calls" if failed else ""))
