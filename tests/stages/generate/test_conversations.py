"""What is asked of the teacher."""

from __future__ import annotations

from gukbap.stages.generate.conversations import (
    answer_messages,
    call_seed,
    equality_messages,
    evolve_messages,
)
from gukbap.stages.generate.operations import OPERATIONS
from gukbap.stages.generate.replies import parse_equality, parse_instruction


def test_evolving_calls_begin_alike_and_end_with_the_instruction() -> None:
    calls = [evolve_messages(operation, "두부란 무엇인가요?") for operation in OPERATIONS]
    assert all(call[:-1] == calls[0][:-1] for call in calls)
    assert len({call[-1].content for call in calls}) == len(OPERATIONS)
    assert all("두부란 무엇인가요?" in call[-1].content for call in calls)


def test_examples_keep_to_the_form_that_is_parsed() -> None:
    rewrites = [m.content for m in evolve_messages("deepen", "가") if m.role == "assistant"]
    assert rewrites
    assert all(parse_instruction(text) == text.removeprefix("새 지시문: ") for text in rewrites)
    verdicts = [parse_equality(m.content) for m in equality_messages("가", "나") if m.role == "assistant"]
    assert verdicts == [True, False, False]


def test_little_room_asks_for_brief_answers() -> None:
    brief, long = answer_messages("두부란 무엇인가요?", 511), answer_messages("두부란 무엇인가요?", 512)
    assert "세 문장" in brief[0].content
    assert "세 문장" not in long[0].content
    assert brief[-1] == long[-1]
    assert brief[-1].content == "두부란 무엇인가요?"


def test_call_seeds_are_31_bits_and_depend_on_all_arguments() -> None:
    seeds = {
        call_seed(seed, row, number, purpose)
        for seed in (1, 2)
        for row in ("a", "b")
        for number in (1, 2)
        for purpose in ("evolve", "answer")
    }
    assert len(seeds) == 16
    assert all(0 <= seed < 2**31 for seed in seeds)
