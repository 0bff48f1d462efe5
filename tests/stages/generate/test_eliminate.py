"""Each eliminator: what it drops, and what it must keep."""

from __future__ import annotations

import pytest

from gukbap.config import GenerateConfig
from gukbap.ports import Completion, FinishReason
from gukbap.schemas import OperationName
from gukbap.stages.generate.conversations import evolve_texts
from gukbap.stages.generate.eliminate import answer_flaw, instruction_flaw
from gukbap.stages.generate.operations import OPERATIONS
from gukbap.stages.generate.seeds import load_seeds

PARENT = "집에서 두부를 만드는 방법을 알려 주세요."
GOOD = "집에서 두부를 만드는 방법을 단계별로 알려 주세요. 간수 대신 쓸 수 있는 재료도 한 가지 들어 주세요."
CONFIG = GenerateConfig()


def _instruction(
    text: str,
    *,
    parent: str = PARENT,
    finish: FinishReason = "stop",
    category: str = "everyday",
    operation: OperationName = "constraints",
    config: GenerateConfig = CONFIG,
) -> str | None:
    reply = Completion(text, finish, 1, 1)
    return instruction_flaw(text, reply, parent=parent, operation=operation, category=category, config=config)


def _answer(
    text: str,
    *,
    instruction: str = PARENT,
    finish: FinishReason = "stop",
    category: str = "everyday",
    config: GenerateConfig = CONFIG,
) -> str | None:
    reply = Completion(text, finish, 1, 1)
    return answer_flaw(
        text, reply, instruction=instruction, operation="constraints", category=category, config=config
    )


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "두부가 굳을 때 간수는 어떤 일을 하나요? 단백질과 관련지어 설명해 주십시오.",
        "된장을 담글 때 메주를 띄우는 온도는 몇 도가 알맞을까요?",
        "다음은 두부 가게의 한 주 매출입니다. 평균을 구해 주세요: 12만 원, 9만 원, 15만 원",
        "아래 표를 보고 두부 값의 평균을 구하시오.\n월요일 1,200원\n화요일 1,350원",
        "두부 만들기를 네 단계로 나누어 각각 한 문장으로 써 줘.",
        "두부 공장의 하루 생산량을 계산해 주세요: 콩 30kg, 물 150L, 간수 2L",
        '다음 글을 한 문장으로 줄여 주세요. "콩을 불린다. 불린 콩을 간다. 간 콩을 끓인다."',
        "두부 만드는 순서를 적어 주세요. 단, 다섯 문장을 넘지 않습니다.",
        "두부 만드는 순서를 적어 주세요. 재료의 양이 꼭 들어가야 합니다.",
        "콩 300g으로 두부를 몇 모나 만들 수 있는지 계산해 보세요.",
        "집에서 두부를 만들 때 콩을 불리는 시간이 왜 중요한지 알고 싶습니다.",
    ],
)
def test_real_instructions_are_kept(text: str) -> None:
    assert _instruction(text) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "instruction_empty"),
        ("...!?", "instruction_empty"),
        ("네, 알겠습니다.", "instruction_empty"),
        ("죄송하지만 그 부탁은 도와드릴 수 없습니다.", "instruction_refusal"),
        ("지시문: 두부 만드는 방법을 알려 주세요.", "instruction_leak"),
        ("원래 지시문보다 자세하게 두부 만드는 방법을 알려 주세요.", "instruction_leak"),
        ("#Rewritten Prompt# 두부를 만드는 방법을 알려 주세요.", "instruction_leak"),
        ("알려 주세요.", "instruction_too_short"),
        ("How do I make tofu at home? 알려 주세요.", "instruction_not_korean"),
        ("두부를 만드는 过程을 자세히 알려 주세요.", "instruction_not_korean"),
        ("두부를 만드는 방법을 차근차근 알려 주세요. " * 8, "instruction_repeats"),
        (PARENT, "instruction_copy"),
        ("집에서 두부를 만드는 방법을, 알려주세요!", "instruction_copy"),
        ("콩을 여덟 시간 불린 뒤 곱게 갈아 끓이고 간수를 넣어 굳힙니다.", "instruction_answers"),
        ("네, 두부를 만드는 방법을 알려 드릴게요. 무엇부터 할까요?", "instruction_answers"),
        ("물론입니다. 두부를 만드는 방법은 다음과 같습니다.", "instruction_answers"),
        ("1. 콩을 불립니다.\n2. 콩을 갑니다.\n3. 간수를 넣습니다.", "instruction_answers"),
        ("두부를 만드는 방법은 무엇인가요? 콩을 불려서 갈면 됩니다.", "instruction_answers"),
        ("두부를 만드는 방법은 무엇인가요?\n답: 콩을 불려 갈고 간수를 넣습니다.", "instruction_answers"),
    ],
)
def test_instruction_eliminators_drop(text: str, reason: str) -> None:
    assert _instruction(text) == reason


def test_truncated_instruction_is_dropped() -> None:
    assert _instruction(GOOD, finish="length") == "instruction_truncated"


def test_an_instruction_must_keep_the_material_that_it_points_to() -> None:
    parent = "아래 함수의 잘못을 찾아 주세요.\n\ndef avg(nums):\n    return sum(nums)"
    lost = "아래 함수의 잘못을 찾아 주세요. 고친 까닭도 두 문장으로 설명해 주세요."
    kept = parent.replace("찾아 주세요.", "찾아 주세요. 고친 까닭도 두 문장으로 설명해 주세요.")
    assert _instruction(lost, parent=parent, category="coding") == "instruction_lacks_material"
    assert _instruction(kept, parent=parent, category="coding") is None
    assert _instruction(lost, parent=parent, category="coding", operation="breadth") is None


def test_long_instruction_is_dropped() -> None:
    assert _instruction(GOOD, config=GenerateConfig(max_instruction_chars=20)) == "instruction_too_long"
    assert _instruction(GOOD, config=GenerateConfig(max_instruction_chars=len(GOOD))) is None


def test_coding_needs_half_the_hangul() -> None:
    text = "def add(a, b): return a + b 함수를 설명해 주세요."
    assert _instruction(text, category="coding") is None
    assert _instruction(text, category="everyday") == "instruction_not_korean"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_prompt_texts_are_leaks(operation: OperationName) -> None:
    for text in evolve_texts(operation):
        assert _instruction(text, operation=operation) is not None
        assert _answer(f"{text} 그래서 콩을 불립니다.") == "answer_leak"


def test_labels_of_the_parent_are_no_leak() -> None:
    parent = "아래 설명을 읽고 물음에 답해 주세요.\n할 일: 콩을 불린다."
    assert _instruction(f"{parent}\n끓이는 시간도 함께 적어 주세요.", parent=parent) is None


def test_hand_written_seeds_are_taken_for_instructions() -> None:
    seeds = load_seeds(GenerateConfig())
    flaws = {
        seed.id: flaw
        for seed in seeds
        if (flaw := _instruction(seed.instruction, parent="전혀 다른 물음인가요?", category=seed.category))
    }
    # A plain statement behind the question is legitimate now and then; nothing else may be mistaken.
    assert set(flaws.values()) <= {"instruction_answers"}
    assert len(flaws) <= len(seeds) // 100


@pytest.mark.parametrize(
    ("text", "instruction"),
    [
        ("콩을 여덟 시간 불린 뒤 갈아서 끓이고 간수를 넣습니다.", PARENT),
        ("42", "6 곱하기 7은 얼마인가요?"),
        ("죄송합니다. 약속에 늦어 정말 미안합니다.", "친구에게 보낼 사과 편지를 써 주세요."),
        ("조건이 모자라서 답을 하나로 정할 수 없습니다. 두 경우로 나누면 3과 5입니다.", PARENT),
        (
            "준비물\n방법: 콩을 불린다.\n보관: 물에 담가 둔다.",
            "요리법 카드를 '방법:' 칸을 넣어 써 주세요.\n방법: ",
        ),
        ("학(鶴)과 거북은 장수를 뜻합니다.", PARENT),
    ],
)
def test_real_answers_are_kept(text: str, instruction: str) -> None:
    assert _answer(text, instruction=instruction) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("  \n", "answer_empty"),
        ("...", "answer_no_content"),
        ("네, 알겠습니다. 감사합니다!", "answer_no_content"),
        ("죄송합니다. 그 내용은 잘 모르겠습니다.", "answer_refusal"),
        ("그 내용에는 답변해 드릴 수 없습니다.", "answer_refusal"),
        ("저는 인공지능 언어 모델이라 맛을 볼 수 없습니다.", "answer_refusal"),
        ("I'm sorry, but I cannot help with that.", "answer_refusal"),
        ("새 지시문: 두부를 만드는 순서를 알려 주세요.", "answer_leak"),
        ("Soak the beans for eight hours and grind them.", "answer_not_korean"),
        ("콩을 불리고 Спасибо 갈아서 끓입니다.", "answer_not_korean"),
        ("콩을 불리고 갈아서 끓입니다.\n" * 6, "answer_repeats"),
        (PARENT, "answer_echo"),
    ],
)
def test_answer_eliminators_drop(text: str, reason: str) -> None:
    assert _answer(text) == reason


def test_refusals_count_up_to_a_length() -> None:
    text = "죄송하지만 정확한 값은 모릅니다. " + "다만 콩과 물의 비율은 이렇게 어림합니다. " * 2
    assert _answer(text) == "answer_refusal"
    assert _answer(text, config=GenerateConfig(refusal_max_words=10)) is None


def test_truncated_answers_are_kept_only_on_demand() -> None:
    text = "콩을 여덟 시간 불린 뒤 갈아서"
    assert _answer(text, finish="length") == "answer_truncated"
    assert _answer(text, finish="length", config=GenerateConfig(keep_truncated=True)) is None
