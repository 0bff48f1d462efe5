"""One round's way from parents to candidates: evolve, eliminate, answer, eliminate."""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from gukbap import __version__
from gukbap.config import GenerateSettings
from gukbap.ports import Completion, Progress, Sampling
from gukbap.schemas import Call, Dropped, Lineage, Message, OperationName, Row, Teacher
from gukbap.spool import Chosen, Spool
from gukbap.stages.batch import PendingError
from gukbap.stages.budget import Wallet
from gukbap.stages.calls import RecordedCalls, map_bounded, messages_sha256, text_sha256
from gukbap.stages.generate.conversations import (
    answer_messages,
    answer_sampling,
    call_seed,
    equality_messages,
    equality_sampling,
    evolve_messages,
    evolve_sampling,
)
from gukbap.stages.generate.eliminate import EQUAL, EQUALITY_UNREADABLE, answer_flaw, instruction_flaw
from gukbap.stages.generate.operations import draw_operation
from gukbap.stages.generate.replies import parse_equality, parse_instruction

Item = TypeVar("Item")
Result = TypeVar("Result")


# Without slots: pickling those takes three times as long, and a spool holds these.
@dataclass(frozen=True)
class Parent:
    """An instruction of the pool: a seed, or what became of it in earlier rounds."""

    id: str
    category: str
    seed_id: str
    instruction: str


@dataclass(frozen=True)
class Candidate:
    """A possible row; `reason` says why it is none."""

    id: str
    category: str
    seed_id: str
    round: int
    instruction: str
    parent: Parent | None = None
    operation: OperationName | None = None
    instruction_call: Call | None = None
    response: str | None = None
    answer_call: Call | None = None
    reason: str | None = None

    def as_parent(self) -> Parent:
        """The candidate as a member of the pool."""
        return Parent(self.id, self.category, self.seed_id, self.instruction)

    def as_row(self, teacher: Teacher) -> Row:
        """The candidate as a training row."""
        if self.response is None or self.answer_call is None:
            raise ValueError(f"candidate {self.id} has no answer")
        return Row(
            id=self.id,
            category=self.category,
            messages=[
                Message(role="user", content=self.instruction),
                Message(role="assistant", content=self.response),
            ],
            lineage=Lineage(
                seed_id=self.seed_id,
                parent_id=self.parent.id if self.parent else None,
                parent_sha256=text_sha256(self.parent.instruction) if self.parent else None,
                operation=self.operation,
                round=self.round,
                teacher=teacher,
                instruction_call=self.instruction_call,
                answer_call=self.answer_call,
                version=__version__,
            ),
        )

    def as_dropped(self) -> Dropped:
        """The candidate as a record of its failure."""
        if self.reason is None:
            raise ValueError(f"candidate {self.id} did not fail")
        return Dropped(
            id=self.id,
            category=self.category,
            round=self.round,
            operation=self.operation,
            reason=self.reason,
            instruction=self.instruction,
            response=self.response,
        )


class Evolver:
    """Turns parents into candidates with a teacher's help; it holds no state between calls."""

    def __init__(
        self, settings: GenerateSettings, calls: RecordedCalls, wallet: Wallet, progress: Progress
    ) -> None:
        self._seed, self._config = settings.seed, settings.generate
        self._calls, self._wallet, self._progress = calls, wallet, progress

    async def seed_candidates(self, parents: Sequence[Parent]) -> Sequence[Candidate]:
        """The seeds themselves, answered."""

        async def answer(parent: Parent) -> Candidate:
            return await self._answer(
                Candidate(parent.id, parent.category, parent.seed_id, 0, parent.instruction)
            )

        return await self._each("seeds: answers", answer, parents)

    async def evolved_candidates(self, parents: Sequence[Parent], round_number: int) -> Sequence[Candidate]:
        """What becomes of each parent in a round, in the parents' order.

        The calls go out kind by kind (rewrites, verdicts, answers), so that a server's prompt cache
        sees one beginning after the other.
        """

        async def evolve(parent: Parent) -> Candidate:
            return await self._evolve(parent, round_number)

        label = f"round {round_number}"
        candidates = await self._each(f"{label}: rewrites", evolve, parents)
        candidates = await self._survivors(f"{label}: verdicts", self._compare, candidates)
        return await self._survivors(f"{label}: answers", self._answer, candidates)

    async def _survivors(
        self,
        label: str,
        work: Callable[[Candidate], Awaitable[Candidate]],
        candidates: Sequence[Candidate],
    ) -> Sequence[Candidate]:
        alive = array("Q", (index for index, one in enumerate(candidates) if one.reason is None))
        results = iter(await self._each(label, work, Chosen(candidates, alive)))
        return self._spool(next(results) if one.reason is None else one for one in candidates)

    async def _each(
        self, label: str, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]
    ) -> Sequence[Result]:
        found: Spool[Result] = self._spool()
        if not items:
            return found
        if self._calls.pending is not None:
            return await self._as_far_as_recorded(label, work, items)
        with self._progress.bar(label, len(items)) as bar:
            await map_bounded(
                work,
                items,
                self._calls.work_at_once,
                take=found.append,
                on_done=lambda _: bar.advance(note=self._wallet.note),
            )
        return found

    def _spool(self, items: Iterable[Item] = ()) -> Spool[Item]:
        # Beside the journal, which has room for as much.
        return Spool(items, folder=self._calls.journal.path.parent)

    async def _as_far_as_recorded(
        self, label: str, work: Callable[[Item], Awaitable[Result]], items: Sequence[Item]
    ) -> Sequence[Result]:
        """The results, where the journal has all replies; else every missing call is noted."""
        found: Spool[Result] = self._spool()
        for item in items:
            try:
                found.append(await work(item))
            except PendingError:
                continue
        if len(found) < len(items):
            raise PendingError(
                f"{label}: {len(items) - len(found)} of {len(items)} replies are not there yet"
            )
        return found

    async def _evolve(self, parent: Parent, round_number: int) -> Candidate:
        operation = draw_operation(self._seed, parent.id, round_number, self._config.breadth_share)
        row_id = f"{parent.seed_id}/r{round_number}-{operation}"
        messages = evolve_messages(operation, parent.instruction)
        sampling = evolve_sampling(self._config, call_seed(self._seed, row_id, round_number, "evolve"))
        key, reply = await self._calls.complete(messages, sampling, f"evolve {row_id} from {parent.id}")
        instruction = parse_instruction(reply.text)
        return Candidate(
            row_id,
            parent.category,
            parent.seed_id,
            round_number,
            instruction,
            parent=parent,
            operation=operation,
            instruction_call=_call(key, messages, sampling, reply, instruction),
            reason=instruction_flaw(
                instruction,
                reply,
                parent=parent.instruction,
                operation=operation,
                category=parent.category,
                config=self._config,
            ),
        )

    async def _compare(self, candidate: Candidate) -> Candidate:
        if candidate.parent is None:
            raise ValueError(f"candidate {candidate.id} has no parent")
        _, reply = await self._calls.complete(
            equality_messages(candidate.parent.instruction, candidate.instruction),
            equality_sampling(call_seed(self._seed, candidate.id, candidate.round, "equal")),
            f"equal {candidate.id}",
        )
        verdict = parse_equality(reply.text)
        if verdict is None:
            return replace(candidate, reason=EQUALITY_UNREADABLE)
        return replace(candidate, reason=EQUAL) if verdict else candidate

    async def _answer(self, candidate: Candidate) -> Candidate:
        messages = answer_messages(candidate.instruction, self._config.answer_max_tokens)
        sampling = answer_sampling(
            self._config, call_seed(self._seed, candidate.id, candidate.round, "answer")
        )
        key, reply = await self._calls.complete(messages, sampling, f"answer {candidate.id}")
        response = reply.text.strip()
        return replace(
            candidate,
            response=response,
            answer_call=_call(key, messages, sampling, reply, response),
            reason=answer_flaw(
                response,
                reply,
                instruction=candidate.instruction,
                operation=candidate.operation,
                category=candidate.category,
                config=self._config,
            ),
        )


def _call(key: str, messages: Sequence[Message], sampling: Sampling, reply: Completion, text: str) -> Call:
    if sampling.max_tokens is None:
        raise ValueError("a teacher's reply is always bounded")
    return Call(
        key=key,
        host=reply.host,
        prompt_sha256=messages_sha256(messages),
        text_sha256=text_sha256(text),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        max_tokens=sampling.max_tokens,
        seed=sampling.seed,
    )
