"""The scripted chat model: deterministic, varied, and wrong now and then."""

from __future__ import annotations

import asyncio
import re

import pytest

from gukbap.adapters.scripted_chat import ScriptedChat
from gukbap.korean import hangul_share
from gukbap.ports import Completion, Sampling
from gukbap.prompts import prompt
from gukbap.schemas import Message

PARENT = "집에서 두부를 만드는 방법을 알려 주세요."


def _reply(system: str, user: str, *, seed: int, max_tokens: int = 512) -> Completion:
    messages = [Message(role="system", content=system), Message(role="user", content=user)]
    return asyncio.run(ScriptedChat().complete(messages, Sampling(0.7, 0.95, max_tokens, seed)))


def _rewrites(operation: str, count: int = 300) -> list[str]:
    request = prompt("evolve/request", operation=prompt(f"evolve/operations/{operation}"), instruction=PARENT)
    return [_reply(prompt("evolve/system"), request, seed=seed).text for seed in range(count)]


def test_the_name_says_what_it_is() -> None:
    assert ScriptedChat().name == "scripted (not a model)"
    assert ScriptedChat(concurrency=3).concurrency == 3


def test_the_same_call_gets_the_same_reply() -> None:
    assert _reply("조수", PARENT, seed=1) == _reply("조수", PARENT, seed=1)
    assert len({_reply("조수", PARENT, seed=seed).text for seed in range(20)}) > 10


@pytest.mark.parametrize("operation", ["constraints", "deepen", "concretize", "reasoning", "complicate"])
def test_depth_adds_to_the_parent_and_errs_at_times(operation: str) -> None:
    rewrites = _rewrites(operation)
    assert sum(len(text) > len(PARENT) and PARENT in text for text in rewrites) > 150
    assert PARENT in rewrites
    assert any("없습니다" in text for text in rewrites)


def test_breadth_leaves_the_parent() -> None:
    assert sum(PARENT not in text for text in _rewrites("breadth")) > 150


def test_verdicts_are_mostly_different() -> None:
    request = prompt("eliminate/request", parent=PARENT, instruction="다른 일을 해 주세요.")
    verdicts = [_reply(prompt("eliminate/system"), request, seed=seed).text for seed in range(200)]
    assert sum("다름" in verdict for verdict in verdicts) > 140
    assert any("같음" in verdict for verdict in verdicts)


def test_judgements_have_scores_of_many_kinds_and_lack_some() -> None:
    replies = [_reply("평가하고 '점수: N'으로 끝내세요.", PARENT, seed=seed).text for seed in range(200)]
    scores = [match[1] for reply in replies if (match := re.search(r"점수\**: (\d+)", reply))]
    assert len(set(scores)) == 11
    assert 150 < len(scores) < 200
    assert all(reply.startswith(("평가: ", "**평가**: ")) for reply in replies)


def test_answers_are_korean_and_cut_at_the_limit() -> None:
    whole = _reply("조수", PARENT, seed=3)
    assert hangul_share(whole.text) > 0.9
    assert whole.finish_reason == "stop"
    cut = _reply("조수", PARENT, seed=3, max_tokens=2)
    assert cut.finish_reason == "length"
    assert cut.completion_tokens == 2
