"""Reading the teacher's replies."""

from __future__ import annotations

import pytest

from gukbap.stages.generate.replies import parse_equality, parse_instruction


@pytest.mark.parametrize(
    ("reply", "instruction"),
    [
        ("  물이 왜 끓나요?\n", "물이 왜 끓나요?"),
        ("새 지시문: 물이 왜 끓나요?", "물이 왜 끓나요?"),
        ("**새 지시문:** 물이 왜 끓나요?", "물이 왜 끓나요?"),
        ("새 지시문:\n물이 왜 끓나요?", "물이 왜 끓나요?"),
        ('"물이 왜 끓나요?"', "물이 왜 끓나요?"),
        ('"가"와 "나"', '"가"와 "나"'),
        ("새 지시문:", ""),
        ("물론이죠. 새 지시문: 물이 왜 끓나요?", "물론이죠. 새 지시문: 물이 왜 끓나요?"),
    ],
)
def test_instruction(reply: str, instruction: str) -> None:
    assert parse_instruction(reply) == instruction


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        ("더한 것: 없음\n판정: 같음", True),
        ("더한 것: 이름의 뜻\n판정: 다름", False),
        ("더한 것: 이름의 뜻\n**판정: 다름.**", False),
        ("같음", True),
        (" 다름입니다.\n", False),
        ("더한 것: 이름의 뜻", None),
        ("판정: 같음\n판정: 다름", None),
        ("같음 또는 다름", None),
        ("두 지시문은 다릅니다.", None),
        ("", None),
    ],
)
def test_equality(reply: str, verdict: bool | None) -> None:
    assert parse_equality(reply) is verdict
