"""What is asked of the teacher, and with which sampling."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from gukbap.config import GenerateConfig
from gukbap.ports import Sampling
from gukbap.prompts import prompt
from gukbap.schemas import Message, OperationName
from gukbap.stages.generate.replies import DIFFERENT_WORD, EQUAL_WORD

#: The operations that the evolving prompt shows at work. More examples gave no higher yield with a
#: 1.5B teacher and doubled the prompt.
EXAMPLES: tuple[OperationName, ...] = ("breadth", "deepen", "constraints")
#: Answers with fewer tokens than this are asked for in three sentences.
BRIEF_BELOW_TOKENS = 512
#: The pairs that the equality prompt shows, and their verdicts.
EQUALITY_EXAMPLES = {"reworded": EQUAL_WORD, "concrete": DIFFERENT_WORD, "extended": DIFFERENT_WORD}
#: A few words and the verdict.
EQUALITY_MAX_TOKENS = 64


def evolve_messages(operation: OperationName, instruction: str) -> list[Message]:
    """Ask for a rewritten instruction, after worked examples of three operations.

    Without examples in the form of turns a small teacher answers the instruction or repeats the
    prompt; without a word on what will change it repeats the instruction. System message and examples
    are the same in all calls and come first, so that a server's prompt cache helps.
    """
    return [*_evolve_opening(), _evolve_request(operation, instruction)]


@cache
def _evolve_opening() -> tuple[Message, ...]:
    messages = [Message(role="system", content=prompt("evolve/system"))]
    for operation in EXAMPLES:
        before, after = (prompt(f"evolve/examples/{operation}-{side}") for side in ("before", "after"))
        reply = prompt("evolve/reply", instruction=after)
        messages += [_evolve_request(operation, before), Message(role="assistant", content=reply)]
    return tuple(messages)


def evolve_texts(operation: OperationName) -> list[str]:
    """Every fixed text that an evolving call shows the teacher, and that a reply must not repeat."""
    messages = evolve_messages(operation, "")
    return [message.content for message in messages]


def answer_messages(instruction: str, max_tokens: int) -> list[Message]:
    """Ask for the answer to an instruction.

    With little room the teacher is asked for three sentences and shown such an answer, since what
    the limit cuts is dropped.
    """
    opening = _brief_opening() if max_tokens < BRIEF_BELOW_TOKENS else _answer_opening()
    return [*opening, Message(role="user", content=instruction)]


@cache
def _answer_opening() -> tuple[Message, ...]:
    return (Message(role="system", content=prompt("answer/system")),)


@cache
def _brief_opening() -> tuple[Message, ...]:
    return (
        Message(role="system", content=prompt("answer/brief")),
        Message(role="user", content=prompt("answer/examples/brief-question")),
        Message(role="assistant", content=prompt("answer/examples/brief-answer")),
    )


def answer_texts() -> list[str]:
    """Every fixed text that an answering call may show the teacher."""
    return [message.content for message in (*_answer_opening(), *_brief_opening())]


def equality_messages(parent: str, instruction: str) -> list[Message]:
    """Ask whether an instruction asks for the same as its parent, after three worked examples.

    The reply names what was added before it gives the verdict: asked for the verdict alone, a small
    teacher calls everything equal.
    """
    return [*_equality_opening(), _equality_request(parent, instruction)]


@cache
def _equality_opening() -> tuple[Message, ...]:
    messages = [Message(role="system", content=prompt("eliminate/system"))]
    for name, verdict in EQUALITY_EXAMPLES.items():
        before, after, added = (
            prompt(f"eliminate/examples/{name}-{part}") for part in ("before", "after", "added")
        )
        reply = prompt("eliminate/reply", added=added, verdict=verdict)
        messages += [_equality_request(before, after), Message(role="assistant", content=reply)]
    return tuple(messages)


def _equality_request(parent: str, instruction: str) -> Message:
    return Message(role="user", content=prompt("eliminate/request", parent=parent, instruction=instruction))


def evolve_sampling(config: GenerateConfig, seed: int) -> Sampling:
    """How new instructions are drawn."""
    return Sampling(config.temperature, config.top_p, config.evolve_max_tokens, seed)


def answer_sampling(config: GenerateConfig, seed: int) -> Sampling:
    """How answers are drawn."""
    return Sampling(config.temperature, config.top_p, config.answer_max_tokens, seed)


def equality_sampling(seed: int) -> Sampling:
    """How a verdict is drawn: the likeliest word."""
    return Sampling(0.0, 1.0, EQUALITY_MAX_TOKENS, seed)


def call_seed(seed: int, row_id: str, round_number: int, purpose: str) -> int:
    """The sampling seed of a call, 31 bits, from what the call is for and nothing else."""
    digest = sha256(f"{seed}/{row_id}/{round_number}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


def _evolve_request(operation: OperationName, instruction: str) -> Message:
    text = prompt(
        "evolve/request", operation=prompt(f"evolve/operations/{operation}"), instruction=instruction
    )
    return Message(role="user", content=text)
