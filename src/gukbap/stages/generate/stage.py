"""The generate stage: seeds go through rounds of Evol-Instruct and become training rows."""

from __future__ import annotations

import asyncio
from array import array
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import GenerateConfig, GenerateSettings
from gukbap.errors import ConfigError, GukbapError
from gukbap.journal import Journal
from gukbap.ports import ChatModel, Progress
from gukbap.schemas import Dropped, Row, Seed, Teacher
from gukbap.spool import Chosen, Joined, Spool
from gukbap.stages.batch import Pending
from gukbap.stages.budget import Wallet
from gukbap.stages.calls import RecordedCalls
from gukbap.stages.generate.evolve import Candidate, Evolver, Parent

KEPT = "kept"


@dataclass(frozen=True)
class GenerateResult:
    """What generation gave.

    Attributes:
        kept: the candidates that became rows: the seeds in their order, then each round in the seeds'
            order.
        failed: every candidate that failed, in the same order, with its reason.
        teacher: who wrote them.
        statistics: JSON values. `rows`, `dropped`, `seeds`, `teacher`; `calls_sent`, `calls_retried`,
            `calls_reused`, `prompt_tokens`, `completion_tokens`, and `cost` where the prices are known;
            `outcomes`: a list of {round, operation (None for a seed), outcome ("kept" or a reason),
            count}; `reasons`: reason → count.
    """

    kept: Sequence[Candidate]
    failed: Sequence[Candidate]
    teacher: Teacher
    statistics: dict[str, Any]

    def each_row(self) -> Iterator[Row]:
        """The rows, made one after the other: of rows there may be more than memory has room for."""
        return (candidate.as_row(self.teacher) for candidate in self.kept)

    def each_dropped(self) -> Iterator[Dropped]:
        """The records of what failed, made one after the other."""
        return (candidate.as_dropped() for candidate in self.failed)

    @property
    def rows(self) -> list[Row]:
        """All rows."""
        return list(self.each_row())

    @property
    def dropped(self) -> list[Dropped]:
        """All records of what failed."""
        return list(self.each_dropped())


def generate(
    settings: GenerateSettings,
    seeds: Sequence[Seed],
    model: ChatModel,
    teacher: Teacher,
    journal: Journal,
    progress: Progress,
    *,
    pending: Pending | None = None,
    grows: bool = False,
) -> GenerateResult:
    """Evolve and answer seed instructions (Evol-Instruct, WizardLM, arXiv 2304.12244).

    Every draw depends on the seed, the row and the round, and every reply is journalled before it
    counts: a killed run that starts again with its journal sends only what is missing and ends
    with the same rows. `teacher` is what every row says of the model. With `pending` nothing is sent: the
    next calls that the journal does not hold are noted there. With `grows` there are rows of before, so that
    none may be new; without seeds nothing is asked.

    Raises:
        ConfigError: the settings ask for nothing (no round, and seeds are not answered).
        GukbapError: no candidate was kept, and there are no rows of before; the message counts the reasons.
        EndpointError: the teacher cannot be reached, refuses the key or keeps failing.
        BudgetError: the budget is used up.
        PendingError: calls were noted in `pending`, and what comes after them is not known yet.
    """
    config = settings.generate
    if config.weakness.enabled:
        raise ConfigError(
            "generate.weakness.enabled is true, but no weights were settled",
            expected="generate.category_weights, as the start of a run settles them",
            fix="run the stage with the values that `gukbap weakness RUN` prints, or set "
            "generate.weakness.enabled to false",
        )
    if not config.most_rounds and not config.answer_seeds:
        raise ConfigError(
            "generate.rounds is 0 and generate.answer_seeds is false: there is nothing to generate",
            fix="set generate.rounds to 1 or more, or generate.answer_seeds to true",
        )
    wallet = Wallet(settings.budget, settings.teacher, journal)
    calls = RecordedCalls(model, journal, wallet=wallet, revision=teacher.revision)
    calls.pending = pending
    harvest = _Harvest(config.max_rows)
    asyncio.run(_all_rounds(settings, seeds, calls, wallet, harvest, progress))
    kept, failed = harvest.kept, harvest.failed
    if not kept and not grows:
        raise GukbapError(
            f"no row was kept out of {len(failed)} candidates ({_reasons_text(harvest)})",
            expected="a teacher that writes Korean instructions and answers",
            fix="take a stronger teacher, or look at the reasons: truncated ones need higher "
            "generate.evolve_max_tokens or generate.answer_max_tokens",
        )
    progress.say(
        f"{len(kept)} rows kept, {len(failed)} dropped ({_reasons_text(harvest) or 'none'}); "
        f"{calls.sent} calls sent, {calls.reused} taken from the journal"
    )
    statistics = _statistics(harvest, calls, len(seeds))
    if wallet.cost is not None:
        statistics["cost"] = wallet.cost
    return GenerateResult(kept, failed, teacher, statistics)


async def _all_rounds(
    settings: GenerateSettings,
    seeds: Sequence[Seed],
    calls: RecordedCalls,
    wallet: Wallet,
    harvest: _Harvest,
    progress: Progress,
) -> None:
    evolver = Evolver(settings, calls, wallet, progress)
    folder = calls.journal.path.parent
    pool: Sequence[Parent] = Spool(
        (Parent(seed.id, seed.category, seed.id, seed.instruction) for seed in seeds), folder=folder
    )
    if settings.generate.answer_seeds:
        await _gather(pool, evolver.seed_candidates, harvest, calls.model.concurrency)
    for number in range(1, settings.generate.most_rounds + 1):
        pool = _still_evolved(pool, settings.generate, number)

        async def candidates(parents: Sequence[Parent], number: int = number) -> Sequence[Candidate]:
            return await evolver.evolved_candidates(parents, number)

        outcomes = await _gather(pool, candidates, harvest, calls.model.concurrency)
        if harvest.full:
            return
        # A kept instruction takes its parent's place; a failed one leaves the parent for the next round.
        pool = Spool(
            (
                parent if candidate.reason else candidate.as_parent()
                for parent, candidate in zip(pool, outcomes, strict=True)
            ),
            folder=folder,
        )


def _still_evolved(pool: Sequence[Parent], config: GenerateConfig, number: int) -> Sequence[Parent]:
    """Those of the pool whose category has so many rounds."""
    if not config.category_rounds:
        return pool
    return Chosen(
        pool, array("Q", (at for at, one in enumerate(pool) if config.rounds_of(one.category) >= number))
    )


async def _gather(
    pool: Sequence[Parent],
    candidates: Callable[[Sequence[Parent]], Awaitable[Sequence[Candidate]]],
    harvest: _Harvest,
    concurrency: int,
) -> Sequence[Candidate]:
    """Harvest the pool's candidates in order, in portions no larger than what is still wanted.

    The rows do not depend on the portions: they are cut in the pool's order.
    """
    batches: list[Sequence[Candidate]] = []
    done = 0
    while done < len(pool) and not harvest.full:
        portion = len(pool) if harvest.wanted is None else max(harvest.wanted, concurrency)
        batch = await candidates(pool[done : done + portion])
        harvest.take(batch)
        batches.append(batch)
        done += len(batch)
    return Joined(batches)


class _Harvest:
    """Candidates in order, up to the last one that is wanted."""

    def __init__(self, max_rows: int | None) -> None:
        self._max_rows = max_rows
        self._batches: list[Sequence[Candidate]] = []
        self._kept, self._failed = array("Q"), array("Q")
        #: (round, operation, reason or KEPT) → number of candidates
        self.outcomes: Counter[tuple[int, str, str]] = Counter()

    @property
    def kept(self) -> Sequence[Candidate]:
        """Those that became rows."""
        return Chosen(Joined(self._batches), self._kept)

    @property
    def failed(self) -> Sequence[Candidate]:
        """The others."""
        return Chosen(Joined(self._batches), self._failed)

    @property
    def wanted(self) -> int | None:
        """How many more rows are wanted; None: as many as there are."""
        return None if self._max_rows is None else self._max_rows - len(self._kept)

    @property
    def full(self) -> bool:
        """Whether no more rows are wanted."""
        return self.wanted == 0

    def take(self, batch: Sequence[Candidate]) -> None:
        """Take candidates, as long as there are not enough."""
        before = sum(map(len, self._batches))
        self._batches.append(batch)
        for place, candidate in enumerate(batch, start=before):
            if self.full:
                return
            (self._failed if candidate.reason else self._kept).append(place)
            self.outcomes[candidate.round, candidate.operation or "", candidate.reason or KEPT] += 1


def _statistics(harvest: _Harvest, calls: RecordedCalls, seeds: int) -> dict[str, Any]:
    return {
        "teacher": calls.model.name,
        "seeds": seeds,
        "rows": len(harvest.kept),
        "dropped": len(harvest.failed),
        "calls_sent": calls.sent,
        "calls_retried": calls.retried,
        "calls_reused": calls.reused,
        "prompt_tokens": calls.prompt_tokens,
        "completion_tokens": calls.completion_tokens,
        "reasons": dict(_reasons(harvest)),
        "outcomes": [
            {"round": number, "operation": operation or None, "outcome": outcome, "count": count}
            for (number, operation, outcome), count in sorted(harvest.outcomes.items())
        ],
    }


def _reasons(harvest: _Harvest) -> list[tuple[str, int]]:
    counts: Counter[str] = Counter()
    for (_, _, outcome), count in harvest.outcomes.items():
        if outcome != KEPT:
            counts[outcome] += count
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _reasons_text(harvest: _Harvest) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in _reasons(harvest))
