"""Cases written for the language audit: what a question asks for, and answers that are hard to place."""

from __future__ import annotations

import pytest

from gukbap.language import Script, audit, requested_scripts
from gukbap.language.disagreement import blames_language

LATIN: frozenset[Script] = frozenset({"latin"})
HAN: frozenset[Script] = frozenset({"han"})
JAPANESE: frozenset[Script] = frozenset({"kana", "han"})
ANY: frozenset[Script] = frozenset({"latin", "han", "kana", "cyrillic", "other"})
NONE: frozenset[Script] = frozenset()

QUESTIONS = [
    ("회의를 미루자는 영어 이메일을 작성해 줘.", LATIN),
    ("거래처에 보낼 영문 메일을 써 줘.", LATIN),
    ("영어로만 답해 주세요.", LATIN),
    ("'사랑해'를 프랑스어로 뭐라고 해?", LATIN),
    ("로마자로 표기해 줘.", LATIN),
    ("영어 이름을 세 개 추천해 줘.", LATIN),
    ("이 문장을 영어로 바꾸고, 문법을 한국어로 설명해 줘.", LATIN),
    ("다음 영어 문장을 고쳐 써 줘: He go to school.", LATIN),
    ("영어 속담 다섯 개를 뜻과 함께 알려 줘.", LATIN),
    ("한영 번역을 해 줘: 나는 학교에 간다.", LATIN),
    ("영어로: 안녕하세요", LATIN),
    ("영어로 번역: 안녕하세요", LATIN),
    ("English로 답해 줘", LATIN),
    ("Please answer in English.", LATIN),
    ("외국인 관광객에게 길을 알려 주는 영어 안내문을 작성해 줘.", LATIN),
    ("우리 회사 소개를 영어와 한국어로 각각 써 줘.", LATIN),
    ("영어 예문 두 개를 들어 현재완료를 설명해 줘.", LATIN),
    ("다음 한국어 문장을 자연스러운 영어 문장으로 바꿔 줘.", LATIN),
    ("고객에게 보낼 사과문을 쓰고 영어로도 옮겨 줘.", LATIN),
    ("내 이름을 한자로 써 줘.", HAN),
    ("사자성어 다섯 개를 한자와 함께 알려 줘.", HAN),
    ("중국어 문장 두 개를 만들어 줘.", HAN),
    ("일본어 편지 한 통을 써 줘.", JAPANESE),
    ("이 글을 러시아어로 옮겨 줘.", frozenset[Script]({"cyrillic"})),
    ("여러 나라 언어로 인사해 줘.", ANY),
    ("다음 문장을 번역해 줘: 오늘은 비가 온다.", ANY),
    ("다음 문장을 번역해 줘: It rains a lot in summer.", NONE),
    ("Translate this into Korean: It rains today.", NONE),
    ("다음 영어 문장의 뜻을 설명해 줘: The early bird catches the worm.", NONE),
    ("다음 영어 문장을 읽고 요약문을 작성해 줘.", NONE),
    ("다음 영어 문장을 한국어로 번역하고 설명해 줘.", NONE),
    ("영어 단어 'run'의 뜻을 알려 줘.", NONE),
    ("영어 단어를 쓰지 않고 설명해 줘.", NONE),
    ("영어로 쓰지 말고 우리말로 답해 줘.", NONE),
    ("영어로 답하지 마세요.", NONE),
    ("영어로 번역된 한국 소설을 소개해 줘.", NONE),
    ("영어로 말하기가 두려운 사람에게 조언해 줘.", NONE),
    ("영어로 대화하는 모임을 홍보하는 글을 써 줘.", NONE),
    ("영어 면접에서 자주 나오는 질문을 정리해 줘.", NONE),
    ("영어 교육의 문제점을 비판하는 글을 작성해 줘.", NONE),
    ("영어와 한국어의 어순 차이를 설명해 줘.", NONE),
    ("이 영어 표현이 어색한 이유를 알려 줘.", NONE),
    ("중국어로 된 간판의 뜻을 알려 줘.", NONE),
    ("일본어 학습자에게 한국어 조사를 설명해 줘.", NONE),
    ("파이썬으로 함수를 작성해 줘.", NONE),
]

RECIPE = "김치볶음밥을 만드는 방법을 알려 주세요."
AS_DATA = "방금 쓴 글의 핵심을 JSON으로 정리해 주세요."
AS_PAGE = "김장을 소개하는 웹 페이지의 HTML을 작성해 주세요."
FUNCTION = "두 수를 더하는 파이썬 함수를 작성해 주세요."
KOREAN = "김치를 잘게 썰어 기름에 볶고, 밥을 넣어 고루 섞은 뒤 간장으로 간을 맞춥니다."

ANSWERS = [
    # A slip of the tokenizer inside a Korean word is a spelling mistake, not another language.
    (RECIPE, "김치와 밥을 볶습니다. 오ран지색이 날 때까지 볶으세요. 오ран지색이 나면 됩니다.", "korean"),
    (RECIPE, f"{KOREAN} 마지막으로 계란을 올려完成합니다.", "korean"),
    (RECIPE, f"{KOREAN} 首先把泡菜切碎，然后和米饭一起炒五分钟。 {KOREAN}", "foreign"),
    (RECIPE, "ข้าวผัดกิมจิทำจากข้าวและกิมจิ", "foreign"),
    (RECIPE, "Zuerst schneidet man das Kimchi klein, dann brät man es mit dem Reis an.", "foreign"),
    (RECIPE, "Kimchireul jalge sseoreo gireume bokgo bapeul neoeumyeon doemnida.", "foreign"),
    # Terms, glosses and fixed lines in a Korean answer.
    (RECIPE, "Wok을 달군 뒤 sesame oil을 두르고 kimchi와 rice를 stir-fry하면 됩니다.", "korean"),
    (RECIPE, f"Kimchi Fried Rice\n\n{KOREAN}\n\nBest regards,\n[Your Name]", "korean"),
    (RECIPE, "1. 볶기 (to stir and fry over high heat)\n2. 섞기 (to mix well with a spoon)", "korean"),
    # A Korean opening does not make an English answer Korean, nor do Korean words that it quotes or names.
    (RECIPE, f"{KOREAN}\n\n" + "Then put the rice into the pan and stir it well. " * 8, "foreign"),
    (RECIPE, "제목: 김치볶음밥\n\nFirst chop the kimchi. Then fry it until it is hot.", "foreign"),
    (RECIPE, "The word 김치 means a side dish of salted and fermented vegetables in Korea.", "foreign"),
    (RECIPE, '"First chop the kimchi and then fry it with the rice."', "foreign"),
    (RECIPE, "Chop the kimchi (김치), and then fry it with rice (찬밥) and sauce (간장).", "foreign"),
    # Prices in an English answer are no formulas that hide it.
    (RECIPE, "It costs $10 for the rice and about $20 for the kimchi and all of the rest.", "foreign"),
    (RECIPE, "- chop the kimchi into small pieces;\n- fry it with the rice and serve it hot;", "foreign"),
    # Names alone tell nothing.
    (RECIPE, "Visual Studio Code", "exempt"),
    (RECIPE, "f(x) = 3x^2 + 2x\nf'(x) = 6x + 2", "exempt"),
    # Data and markup: keys and tags do not count, the words that they hold do.
    (AS_DATA, '{\n  "name": "김치볶음밥",\n  "taste": "맵고 고소한 맛"\n}', "korean"),
    (AS_DATA, '```json\n{"dish": "rice fried with kimchi and a fried egg on top"}\n```', "foreign"),
    (AS_PAGE, "<style>body { color: red; }</style><p>김장은 겨울을 나는 일입니다.</p>", "korean"),
    (AS_PAGE, "<p>Families make kimchi together before the winter comes.</p>", "foreign"),
    (RECIPE, "```markdown\n# Kimchi\nChop the kimchi and fry it with the rice for a while.\n```", "foreign"),
    # Code, and the words around it.
    (FUNCTION, "def add(a, b):\n    return a + b", "exempt"),
    (FUNCTION, "```python\ndef add(a, b):\n    return a + b", "exempt"),
    (FUNCTION, "Here is the function that adds two numbers:\n```python\ndef add(a, b): ...\n```", "foreign"),
    (FUNCTION, "함수는 이렇습니다.\n```\n# adds the two given numbers and returns the sum\n```", "korean"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "scripts"), QUESTIONS)
def test_scripts_that_a_question_asks_for(question: str, scripts: frozenset[Script]) -> None:
    assert requested_scripts(question) == scripts


@pytest.mark.parametrize(("question", "answer", "verdict"), ANSWERS)
def test_answers_that_are_hard_to_place(question: str, answer: str, verdict: str) -> None:
    found = audit(question, answer)
    assert found.verdict == verdict, (found.reason, found.shares)


@pytest.mark.parametrize(
    ("comment", "blames"),
    [
        ("모델이 영어로 답변하여 요구사항을 어겼습니다.", True),
        ("언어 요구사항을 준수하지 않았습니다.", True),
        ("답변이 한국어로 작성되지 않았으므로 0점입니다.", True),
        ("언어 요구사항은 충족했으나 내용이 틀렸습니다.", False),
        ("한국어 문법에 대한 이해가 부족합니다.", False),
        ("답변이 없으므로 언어 요구사항을 평가할 내용이 없습니다.", False),
        ("", False),
    ],
)
def test_a_comment_that_blames_the_language(comment: str, blames: bool) -> None:
    assert blames_language(comment) == blames
