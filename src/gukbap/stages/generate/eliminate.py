"""The eliminators: why a candidate does not become a row.

The four of Evol-Instruct (WizardLM, arXiv 2304.12244) in their Korean form are the equality verdict
(`equal`), `refusal`, `no_content` and `leak`; the others catch what small teachers do. Each reason
is a stable key. All of them are free but the verdict, which costs a call and therefore comes last.
"""

from __future__ import annotations

import re

from gukbap.config import GenerateConfig
from gukbap.korean import eojeol_count, hangul_share
from gukbap.ports import Completion
from gukbap.schemas import OperationName
from gukbap.stages.generate.conversations import answer_texts, evolve_texts
from gukbap.stages.generate.korean_signs import (
    asks_for_something,
    foreign_words,
    has_content,
    lacks_material,
    likeness,
    loops,
    opens_like_answer,
    refuses,
    shares_passage,
)

#: Trigram similarity to the parent from which an instruction is a copy of it.
NEAR_COPY = 0.9
MIN_INSTRUCTION_CHARS = 10
#: Code and its identifiers are not Hangul: coding rows need half the share.
CODING = "coding"

EQUAL = "instruction_equal"
EQUALITY_UNREADABLE = "instruction_equality_unreadable"

_LABELS = re.compile(
    r"새 지시문|원래 지시문|주어진 지시문|고쳐 쓴 지시문|바꾼 지시문|지시문 편집"
    r"|given prompt|rewritten prompt|created prompt",
    re.IGNORECASE,
)
_LABELLED_LINE = re.compile(r"^\W*(지시문|할 일|판정)\s*\d*\W*:", re.MULTILINE)


def instruction_flaw(
    text: str,
    reply: Completion,
    *,
    parent: str,
    operation: OperationName,
    category: str,
    config: GenerateConfig,
) -> str | None:
    """The reason to drop an evolved instruction, or None; free of charge.

    Args:
        text: the instruction as it was parsed out of the reply.
        reply: the whole reply.
        parent: the instruction that was evolved.
    """
    if not has_content(text):
        return "instruction_empty"
    if reply.finish_reason == "length":
        return "instruction_truncated"
    if refuses(text, parent) and not asks_for_something(text):
        return "instruction_refusal"
    if leaks_prompt(text, parent, operation):
        return "instruction_leak"
    flaw = _length_flaw(text, config) or _language_flaw(text, parent, category, config)
    if flaw:
        return f"instruction_{flaw}"
    if likeness(text, parent) >= NEAR_COPY:
        return "instruction_copy"
    if opens_like_answer(text) or not asks_for_something(text):
        return "instruction_answers"
    if operation != "breadth" and lacks_material(text, parent):
        return "instruction_lacks_material"
    return None


def answer_flaw(
    text: str,
    reply: Completion,
    *,
    instruction: str,
    operation: OperationName | None,
    category: str,
    config: GenerateConfig,
) -> str | None:
    """The reason to drop an answer, or None."""
    if not text.strip():
        return "answer_empty"
    if not has_content(text):
        return "answer_no_content"
    if eojeol_count(text) < config.refusal_max_words and refuses(text, instruction):
        return "answer_refusal"
    if leaks_prompt(text, instruction, operation):
        return "answer_leak"
    flaw = _language_flaw(text, instruction, category, config)
    if flaw:
        return f"answer_{flaw}"
    if likeness(text, instruction) >= NEAR_COPY:
        return "answer_echo"
    if reply.finish_reason == "length" and not config.keep_truncated:
        return "answer_truncated"
    return None


def _length_flaw(text: str, config: GenerateConfig) -> str | None:
    if len(text) < MIN_INSTRUCTION_CHARS:
        return "too_short"
    return "too_long" if len(text) > config.max_instruction_chars else None


def _language_flaw(text: str, known: str, category: str, config: GenerateConfig) -> str | None:
    least = config.min_hangul_share / 2 if category == CODING else config.min_hangul_share
    if hangul_share(text) < least or foreign_words(text, known):
        return "not_korean"
    return "repeats" if loops(text) else None


def leaks_prompt(text: str, known: str, operation: OperationName | None) -> bool:
    """Whether words of the prompts stand in a text that has them from nowhere else.

    Args:
        known: a text whose words are no leak.
        operation: the evolving prompt that may have leaked, besides the answering one.
    """
    for pattern in (_LABELS, _LABELLED_LINE):
        if pattern.search(text) and not pattern.search(known):
            return True
    sources = answer_texts() + (evolve_texts(operation) if operation else [])
    return shares_passage(text, sources, known)
