"""Whether training sees exactly the prompts that inference sends."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from typing import Any

from gukbap.chat_templates import ChatTemplate, TokenizerLike, encode_prompt
from gukbap.errors import GukbapError
from gukbap.stages.train.encoding import Example


def prompt_parity(
    examples: Sequence[Example], tokenizer: TokenizerLike, template: ChatTemplate
) -> dict[str, Any]:
    """Check every turn of every example: the ids of `encode_prompt`, which every engine sends, must be
    what stands in the example before the answer.

    Returns:
        `conversations`, `turns`, and `ids_sha256` over the ids of all examples (each as its length and
        its ids, 32-bit little-endian), by which two runs' token data can be compared.

    Raises:
        GukbapError: the ids differ; the row, the turn and the place are named.
    """
    turns = 0
    digest = hashlib.sha256()
    for example in examples:
        digest.update(_bytes([len(example.ids), *example.ids]))
        starts = _answer_starts(example.trained)
        questions = [n for n, message in enumerate(example.messages) if message.role == "user"]
        if len(starts) != len(questions):
            raise GukbapError(
                f"row {example.row_id} has {len(questions)} question(s) and {len(starts)} trained answer(s)",
                expected="a trained answer for each question",
                fix="look at the row, and at the model's tokenizer",
            )
        for turn, (start, question) in enumerate(zip(starts, questions, strict=True), start=1):
            prompt = encode_prompt(tokenizer, template, example.messages[: question + 1])
            if prompt != example.ids[:start]:
                raise _mismatch(example, turn, prompt, example.ids[:start], template)
            turns += 1
    return {"conversations": len(examples), "turns": turns, "ids_sha256": digest.hexdigest()}


def _answer_starts(trained: Sequence[bool]) -> list[int]:
    return [n for n, kept in enumerate(trained) if kept and not (n and trained[n - 1])]


def _mismatch(
    example: Example, turn: int, prompt: list[int], trained: list[int], template: ChatTemplate
) -> GukbapError:
    place = next(
        (n for n, (sent, seen) in enumerate(zip(prompt, trained, strict=False)) if sent != seen),
        min(len(prompt), len(trained)),
    )
    return GukbapError(
        f"row {example.row_id}, turn {turn}: training and serving differ from token {place} on "
        f"(trained {trained[place : place + 5]}, served {prompt[place : place + 5]})",
        expected=f"the same ids before an answer, by template {template.name}",
        fix="the model's tokenizer gives one text different ids; use the base model's own",
    )


def _bytes(numbers: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)
