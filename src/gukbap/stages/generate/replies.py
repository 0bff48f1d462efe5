"""What the teacher's replies mean. A reply that does not have the asked form means nothing."""

from __future__ import annotations

import re

#: The label that the evolving prompt ends with; a model may or may not repeat it.
_LABEL = re.compile(r"^\s*\**새 지시문\s*\**\s*:\s*\**\s*")
_QUOTES = {'"': '"', "“": "”", "「": "」"}
EQUAL_WORD, DIFFERENT_WORD = "같음", "다름"
_VERDICT = re.compile(rf"^(?:판정\s*:\s*)?[\W_]*({EQUAL_WORD}|{DIFFERENT_WORD})(?:입니다)?[\W_]*$")


def parse_instruction(reply: str) -> str:
    """The new instruction in an evolving reply: the reply itself, after its label and out of quotes.

    Empty where there is none. Anything else that the reply holds stays in the text, where the
    eliminators find it.
    """
    text = _LABEL.sub("", reply, count=1).strip()
    closing = _QUOTES.get(text[:1])
    if closing and len(text) > 1 and text.endswith(closing) and closing not in text[1:-1]:
        text = text[1:-1].strip()
    return text


def parse_equality(reply: str) -> bool | None:
    """Whether a verdict says that two instructions are equal; None where it says neither, or both.

    The asked form is a line with what was added and a line with the verdict ("판정: 다름").
    """
    lines = [line.strip().replace("*", "") for line in reply.splitlines()]
    verdicts = {verdict[1] for line in lines if (verdict := _VERDICT.match(line))}
    return verdicts == {EQUAL_WORD} if len(verdicts) == 1 else None
