"""Evaluation prompts as they come back in training data: perturbed in six ways, and twins that are innocent.

The rules are plain and were written without regard to how the project looks for leaks.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

_ENDINGS = (
    (r"(\S)해 ?주세요", r"\1해 줄래요"),
    (r"(\S)하시오", r"\1해 보세요"),
    (r"(\S)해 ?보세요", r"\1하시오"),
    (r"(\S)해 ?봐", r"\1해 줘"),
    (r"(\S)해 ?줘", r"\1해 주십시오"),
    (r"(\S)하세요", r"\1해 주시기 바랍니다"),
    (r" 주세요", " 주시겠어요"),
    (r"해라", "하시오"),
    (r"해보아라|해봐라", "해 보세요"),
    (r"보아라", "보세요"),
    (r"습니다", "어요"),
    (r"입니다", "이에요"),
    (r"인가요", "입니까"),
    (r"되나요", "됩니까"),
    (r"나요", "는지 알려 줘요"),
    (r"(을|일)까요", r"\1지 궁금합니다"),
    (r"(을|일)까\?", r"\1까요?"),
    (r"뭐야", "무엇인가요"),
    (r"이다\.", "입니다."),
    (r"했다", "했습니다"),
    (r"있다", "있습니다"),
    (r"하면", "한다면"),
)
_PARTICLES = (
    (r"(\S)에게(?= )", r"\1한테"),
    (r"(\S)에서(?= )", r"\1에서는"),
    (r"(\S[가-힣])은(?= )", r"\1이"),
    (r"(\S[가-힣])는(?= )", r"\1가"),
    (r"(\S[가-힣])을(?= )", r"\1은"),
    (r"(\S[가-힣])를(?= )", r"\1"),
    (r"(\S[가-힣])과(?= )", r"\1이랑"),
    (r"(\S[가-힣])와(?= )", r"\1랑"),
    (r"(\S[가-힣])으로(?= )", r"\1으로써"),
    (r"(\S[가-힣])의(?= )", r"\1"),
)
_SYNONYMS = {
    "설명": "풀이", "작성": "집필", "방법": "방식", "문제": "물음", "이유": "까닭", "까닭": "이유",
    "구하": "계산하", "구해": "계산해", "다음": "아래", "특징": "성질", "차이": "다른 점", "예시": "보기",
    "간단히": "짧게", "간단한": "쉬운", "제시": "제안", "고려": "생각", "사용": "이용", "이용": "활용",
    "활용": "이용", "결과": "결괏값", "생각": "고민", "의미": "뜻", "대표적인": "주요", "자세히": "꼼꼼히",
    "상세히": "자세히", "무엇": "어떤 것", "얼마": "몇", "알려": "말해", "비슷한": "유사한", "가장": "제일",
    "모두": "전부", "사람": "인물", "회사": "기업", "기업": "회사", "글을": "글월을", "문장": "글귀",
    "단어": "낱말", "낱말": "단어", "요약": "정리", "정리": "요약", "나타내": "표현하",
    "필요한": "요구되는", "조건": "전제", "영향": "작용", "요인": "원인", "현상": "일", "사회": "세상",
    "적어": "써", "고쳐": "바꿔", "고르": "뽑", "읽고": "보고", "만들": "짜", "보여": "내보여",
    "이메일": "전자 우편", "메일": "편지", "학생": "아이", "가게": "상점", "짧은": "간략한", "합계": "총합",
    "코드": "프로그램", "함수": "메서드",
}  # fmt: skip
#: put in for words that no synonym is known of
_FILLERS = (
    "바로", "특히", "정말", "요즘", "무척", "대체로", "그런", "어떤", "이러한", "해당", "각각의", "주된",
    "새로운", "여러", "전체", "기본적인",
)  # fmt: skip
_BEFORE = (
    "안녕하세요, 요즘 공부를 하다가 막히는 게 있어서 여쭤봅니다. ",
    "저는 대학교 2학년이고 다음 주에 발표가 있습니다. 아래 물음에 답이 필요해요. ",
    "친구가 이런 걸 물어봤는데 대답을 못 했어요.\n\n",
    "[과제] 아래 내용을 읽고 빠짐없이 답해 줘.\n1) ",
)
_AFTER = (
    " 답은 세 문단 이내로 쓰고, 어려운 말은 풀어서 써 줘.",
    "\n\n위 물음에 답한 다음, 핵심을 표로 정리하고 참고할 만한 자료도 추천해 주세요.",
    " 초등학생도 알아들을 수 있게 예를 두 가지 이상 들어 주시면 감사하겠습니다.",
)
_ONES = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_SINO = "영일이삼사오육칠팔구"
_ENGLISH = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_NATIVE_COUNTED = re.compile(
    "(한|두|세|네|다섯|여섯|일곱|여덟|아홉)(?= ?(?:개|명|가지|벌|자루|장|권|번|사람|문장|문단|팀|줄))"
)
_DIGITS = re.compile(r"(?<![\d.A-Za-z])\d{1,3}(?:,\d{3})+(?![\d.])|(?<![\d.,A-Za-z])\d{1,8}(?![\d.,]\d|\d)")
_CLAUSE_END = re.compile(r"(?<=[.?!\n,])\s*|(?<=[가-힣](?:고|며|때|면|데))\s+")
_REQUEST = re.compile("해 ?주세요|하시오|해 ?보세요|해 ?줘|해라")
_TOPICS = (
    "벌집", "수영장", "된장", "기차역", "화분", "손전등", "우표", "판소리", "보험료", "축구공", "달팽이",
    "온도계", "항구", "연날리기", "도자기", "소나무", "현악기", "택배", "빨래", "감자밭",
)  # fmt: skip

Perturbation = Callable[[str, random.Random], str]


def sino_word(number: int) -> str:
    """A number below 10^8 in Sino-Korean: 1200 → 천이백."""
    if number == 0:
        return "영"
    upper, lower = divmod(number, 10_000)
    if upper:
        return (sino_word(upper) if upper > 1 else "") + "만" + (sino_word(lower) if lower else "")
    word = ""
    for unit, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit, number = divmod(number, unit)
        if digit:
            word += (_SINO[digit] if digit > 1 or not name else "") + name
    return word


def _sometimes(pattern: str, other: str, text: str, draw: random.Random) -> str:
    return re.sub(pattern, lambda found: found.expand(other) if draw.random() < 0.7 else found[0], text)


def particles(text: str, draw: random.Random) -> str:
    """Other particles and endings."""
    for pattern, other in (*_ENDINGS, *_PARTICLES):
        text = _sometimes(pattern, other, text, draw)
    return text


def spacing(text: str, draw: random.Random) -> str:
    """Other spaces and punctuation, some digits and Latin letters full-width, or the text decomposed."""
    text = re.sub(r" ", lambda found: "" if draw.random() < 0.5 else found[0], text)
    text = re.sub(r"[.,?!'\"()]", lambda found: draw.choice(("", " ", "…", found[0])), text)
    text = "".join(
        chr(ord(c) + 0xFEE0) if "!" < c < "~" and c.isalnum() and draw.random() < 0.5 else c for c in text
    )
    return re.sub(r"([가-힣])([가-힣])", lambda f: f"{f[1]} {f[2]}" if draw.random() < 0.1 else f[0], text)


def numbers(text: str, draw: random.Random) -> str:
    """Numbers in words, and number words in digits; then a light change of endings."""

    def spell(found: re.Match[str]) -> str:
        value = int(found[0].replace(",", ""))
        counted = text[found.end() : found.end() + 2].strip()[:1] in tuple("개명가벌자장권번사문줄시살")
        if 0 < value < 10 and counted:
            return _ONES[value] + " "
        if value < 10 and draw.random() < 0.3:
            return _ENGLISH[value]
        return sino_word(value) if value < 10**8 else found[0]

    def count(found: re.Match[str]) -> str:
        return str(_ONES.index(found[1]))

    text = _NATIVE_COUNTED.sub(count, text)
    return _REQUEST.sub("해 주십시오", _DIGITS.sub(spell, text))


def reordered(text: str, draw: random.Random) -> str:
    """Clauses in another order; a text of one clause has its end put first."""
    clauses = [part for part in _CLAUSE_END.split(text) if part.strip()]
    if len(clauses) < 2:
        words = text.rstrip(".?!").split()
        cut = max(1, len(words) - draw.randint(1, 2)) if len(words) > 2 else 1
        return f"{' '.join(words[cut:])}, {' '.join(words[:cut])}."
    order = clauses[:]
    while order == clauses and len(set(clauses)) > 1:
        draw.shuffle(order)
    return " ".join(order)


def wrapped(text: str, draw: random.Random) -> str:
    """Inside of a longer request, with another ending."""
    return draw.choice(_BEFORE) + _REQUEST.sub("해 주십시오", text) + draw.choice(_AFTER)


def substituted(text: str, draw: random.Random) -> str:
    """A fifth of the words by synonyms or by others."""
    words = re.split(r"(\s+)", text)
    places = [place for place in range(0, len(words), 2) if re.search(r"[가-힣]{2}", words[place])]
    wanted = max(1, round(len(places) / 5))
    draw.shuffle(places)
    places.sort(key=lambda place: not any(word in words[place] for word in _SYNONYMS))
    for place in places[:wanted]:
        known = [word for word in _SYNONYMS if word in words[place]]
        words[place] = words[place].replace(known[0], _SYNONYMS[known[0]]) if known else draw.choice(_FILLERS)
    return "".join(words)


PERTURBATIONS: dict[str, Perturbation] = {
    "particles and endings": particles,
    "spacing and signs": spacing,
    "number words": numbers,
    "reordered clauses": reordered,
    "in a longer request": wrapped,
    "words substituted": substituted,
}


def twin(text: str, draw: random.Random) -> str:
    """The same wording about something else: other nouns, where particles tell them, and other numbers."""
    text = re.sub(r"\d+", lambda found: str(draw.randint(11, 99)), text)

    def other(found: re.Match[str]) -> str:
        return draw.choice(_TOPICS) + found[1]

    return re.sub(r"(?<![가-힣])[가-힣]{2,}?(을|를|이|가|은|의|에|와|과|에서|으로)(?![가-힣])", other, text)
