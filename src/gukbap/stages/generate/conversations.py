"""What is asked of the teacher, and with which sampling."""

from __future__ import annotations

from functools import cache
from hashlib import sha256

from gukbap.config import GenerateConfig
from gukbap.ports import Sampling
from gukbap.prompts import prompt
from gukbap.schemas import Message, OperationName

#: The operations that the evolving prompt shows at work.
EXAMPLES: tuple[OperationName, ...] = ("reasoning", "breadth", "constraints")
#: The verdict is one word.
EQUALITY_MAX_TOKENS = 16


def evolve_messages(operation: OperationName, instruction: str) -> list[Message]:
    """Ask for a rewritten instruction, after worked examples of three operations.

    Without examples in the form of turns a small teacher answers the instruction or repeats the
    prompt. System message and examples are the same in all calls and come first, so that a server's
    prompt cache helps.
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


def answer_messages(instruction: str) -> list[Message]:
    """Ask for the answer to an instruction."""
    return _conversation(prompt("answer/system"), instruction)


def equality_messages(parent: str, instruction: str) -> list[Message]:
    """Ask whether an instruction asks for the same as its parent."""
    return _conversation(
        prompt("eliminate/system"), prompt("eliminate/request", parent=parent, instruction=instruction)
    )


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


def _conversation(system: str, user: str) -> list[Message]:
    return [Message(role="system", content=system), Message(role="user", content=user)]
