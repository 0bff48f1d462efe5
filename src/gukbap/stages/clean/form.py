"""Texts of a wrong form: answers that were cut off, and markup that leaked out of a template."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gukbap.language.prose import layers
from gukbap.schemas import OperationName
from gukbap.stages.generate.eliminate import leaks_prompt

#: A shorter last line may be a verse or a title.
_LAST_LINE_CHARS = 20
_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)
_NO_PROSE = re.compile(r"^\s*(?:[-*+•·>|#]|\d+[.)]|[①-⑳]|[가-힣A-Za-z][.)] )")
# What no Korean text ends with: object and topic particles, connective endings, conjunctions.
_OPEN_END = re.compile(
    r"(?:[가-힣](?<![마가노])을|를|[가-힣]는|에서|에게|으로써?|[하되있없않이라다]고|[하되으이]며|지만|는데|면서|하여|해서|때문에"
    r"|위해|위한|대한|대해|통해|따라|그리고|그러나|하지만|또한|또는|및)$"
)

_TEMPLATE_TOKEN = re.compile(
    r"<\|[a-z_]{2,24}\|>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<(?:bos|eos|pad|unk)>|<s>\[|</s>$"
    r"|^###? ?(?:Instruction|Response|Input|Output|Human|Assistant|User|System)\s*:",
    re.MULTILINE,
)
#: what stands behind a token that a template wrote before a question
_TEMPLATE_START = re.compile(r"\s|user|system")
_PLACE_HOLDER = re.compile(
    r"\{\{? ?(?:instruction|input|question|answer|response|context|prompt|query|지시문|질문|답변) ?\}?\}"
)
_ENTITY = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|#\d{2,5}|#x[0-9a-f]{2,4});", re.IGNORECASE)
_INLINE_CODE = re.compile(r"`[^`\n]++`")


def cut_off(answer: str) -> str | None:
    """How an answer shows that it was cut off, or None.

    A code block that is open, or a last line of prose that ends with a word after which something must
    come. A line of a list, a table, code or verse ends as it likes; so does one with a sign at its end.
    """
    text = answer.rstrip()
    if len(_FENCE.findall(text)) % 2:
        return "an open code block"
    last = text[text.rfind("\n") + 1 :]
    if len(last) < _LAST_LINE_CHARS or _NO_PROSE.match(last):
        return None
    found = _OPEN_END.search(last)
    return f"ends with “{last.split()[-1]}”" if found else None


def leaked_markup(question: str, answer: str, operation: OperationName | None) -> str | None:
    """What of a template stands in a question or an answer, or None.

    What the question holds may stand in the answer: somebody may ask about chat templates or HTML. In a
    question only what stands at its beginning or end is taken for leaked.
    """
    around = question.strip()
    for found in _TEMPLATE_TOKEN.finditer(around):
        if found.end() == len(around) or (found.start() == 0 and _TEMPLATE_START.match(around, found.end())):
            return found[0]
    return next((one for one in _in_answer(answer, operation, question) if one not in question), None)


def _in_answer(answer: str, operation: OperationName | None, question: str) -> Iterator[str]:
    bare = _INLINE_CODE.sub(" ", layers(answer).text)
    for pattern in (_TEMPLATE_TOKEN, _PLACE_HOLDER):
        yield from (found[0] for found in pattern.finditer(bare))
    if not re.search("html|웹|엔티티|&", question, re.IGNORECASE):
        yield from (found[0] for found in _ENTITY.finditer(bare))
    if leaks_prompt(answer, question, operation):
        yield "words of the generating prompt"
