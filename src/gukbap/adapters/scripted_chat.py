"""A script in a chat model's place, for the smoke recipe and for tests. It is not a model."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from gukbap.adapters.scripted_texts import (
    ANSWER_ENDINGS,
    ANSWER_MIDDLES,
    ANSWER_OPENINGS,
    CLAUSES,
    JUDGE_COMMENTS,
    SUBJECTS,
    TASKS,
)
from gukbap.ports import Completion, Sampling
from gukbap.prompts import prompt
from gukbap.schemas import Message, OperationName

#: The script counts two characters as a token.
CHARACTERS_PER_TOKEN = 2


class ScriptedChat:
    """Plays the teacher and the judge by rule: no number that comes of it is a result.

    The reply depends on the messages and the sampling alone. Now and then it does what real models
    do wrong (repeats the parent, refuses, answers instead of rewriting, leaks the prompt, leaves
    the score out), so that every rule of the pipeline has something to find.
    """

    def __init__(self, concurrency: int = 4) -> None:
        self._concurrency = concurrency

    @property
    def name(self) -> str:
        """A name that says what this is."""
        return "scripted (not a model)"

    @property
    def concurrency(self) -> int:
        """How many calls may be under way at once."""
        return self._concurrency

    async def complete(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        """Reply by rule; a reply over max_tokens is cut."""
        text = self._reply(messages, random.Random(f"{sampling!r}{[m.model_dump() for m in messages]!r}"))
        limit = None if sampling.max_tokens is None else sampling.max_tokens * CHARACTERS_PER_TOKEN
        shown = text[:limit]
        return Completion(
            text=shown,
            finish_reason="stop" if shown == text else "length",
            prompt_tokens=sum(_tokens(message.content) for message in messages),
            completion_tokens=_tokens(shown),
        )

    def _reply(self, messages: Sequence[Message], draw: random.Random) -> str:
        system = "\n".join(message.content for message in messages if message.role == "system")
        request = messages[-1].content
        if system == prompt("evolve/system"):
            return _rewrite(request, draw)
        if system == prompt("eliminate/system"):
            return _comparison(draw)
        if "점수" in system:
            return _judgement(draw)
        return _answer(request, draw)


def _rewrite(request: str, draw: random.Random) -> str:
    operation, parent = _understood(request)
    if operation == "breadth":
        rewritten = f"{_object(draw.choice(SUBJECTS))} {draw.choice(TASKS)}"
    else:
        rewritten = " ".join([parent, *draw.sample(CLAUSES[operation], 2)])
    wrong = {
        "copy": parent,
        "refusal": "죄송하지만 그 부탁은 도와드릴 수 없습니다.",
        "answer": _sentences(draw),
        "leak": f"지시문: {parent}\n새 지시문: {rewritten}",
        "label": f"새 지시문: {rewritten}",
    }
    return draw.choices([rewritten, *wrong.values()], [12, 1, 1, 1, 1, 3])[0]


def _understood(request: str) -> tuple[OperationName, str]:
    """The operation and the instruction of an evolving request."""
    for name in CLAUSES:
        operation = prompt(f"evolve/operations/{name}")
        before, _, after = prompt("evolve/request", operation=operation, instruction="\0").partition("\0")
        if request.startswith(before) and request.endswith(after):
            return name, request.removeprefix(before).removesuffix(after)
    raise ValueError("the evolving request is not the one that the prompts give")


def _answer(instruction: str, draw: random.Random) -> str:
    words = re.findall(r"[가-힣]{2,}", instruction) or ["물음"]
    focus = f"'{draw.choice(words)}', 이 말부터 짚어 보겠습니다."
    good = f"{focus} {_sentences(draw)}"
    wrong = ["죄송합니다. 그 내용에는 답변해 드릴 수 없습니다.", "...", "앞서 말한 대로 합니다.\n" * 12]
    return draw.choices([good, *wrong], [27, 1, 1, 1])[0]


def _sentences(draw: random.Random) -> str:
    middles = draw.sample(ANSWER_MIDDLES, draw.randint(2, 4))
    return " ".join([draw.choice(ANSWER_OPENINGS), *middles, draw.choice(ANSWER_ENDINGS)])


def _comparison(draw: random.Random) -> str:
    equal = prompt("eliminate/reply", added="없음", verdict="같음")
    different = prompt("eliminate/reply", added="새 조건", verdict="다름")
    return draw.choices([different, equal, "글쎄요."], [18, 1, 1])[0]


def _judgement(draw: random.Random) -> str:
    comment, score = draw.choice(JUDGE_COMMENTS), draw.randint(0, 10)
    replies = [
        f"평가: {comment}\n점수: {score}",
        f"**평가**: {comment}\n**점수**: {score}.5",
        f"평가: {comment}",
    ]
    return draw.choices(replies if score < 10 else replies[:1], [16, 3, 1][: 3 if score < 10 else 1])[0]


def _object(noun: str) -> str:
    """A noun with its object particle: 을 after a final consonant, 를 after a vowel."""
    has_final = "가" <= noun[-1] <= "힣" and (ord(noun[-1]) - ord("가")) % 28 != 0
    return f"{noun}{'을' if has_final else '를'}"


def _tokens(text: str) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)
