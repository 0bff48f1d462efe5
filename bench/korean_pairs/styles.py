"""Levels of speech: the same request as an order, a plea or a friend's word.

Requests ("…아/어 주세요") change behind the verb alone, so any verb may stand there. Questions and
statements change with their verb; the table holds those that the frames and common instructions use. What
is not in the table stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

from bench.korean_pairs.particles import final_sound

#: As the frames are written.
POLITE: Final = "polite"
_REQUESTS: Final = {
    "formal": "주십시오.",
    "casual": "줘.",
    "would you": "주시겠어요?",
    "could you": "주실 수 있나요?",
    "hope": "주시기 바랍니다.",
    "friend": "줄래?",
}
STYLES: Final = (POLITE, *_REQUESTS)
_CASUAL: Final = frozenset({"casual", "friend"})

# Statement → (informal polite, casual).
_STATEMENTS: Final = {
    "합니다": ("해요", "해"),
    "됩니다": ("돼요", "돼"),
    "갑니다": ("가요", "가"),
    "닿습니다": ("닿아요", "닿아"),
    "있습니다": ("있어요", "있어"),
    "없습니다": ("없어요", "없어"),
    "않습니다": ("않아요", "않아"),
    "싶습니다": ("싶어요", "싶어"),
    "같습니다": ("같아요", "같아"),
    "많습니다": ("많아요", "많아"),
    "좋습니다": ("좋아요", "좋아"),
    "묻습니다": ("물어요", "물어"),
    "읽습니다": ("읽어요", "읽어"),
    "겠습니다": ("겠어요", "겠어"),
    "걸립니다": ("걸려요", "걸려"),
    "헷갈립니다": ("헷갈려요", "헷갈려"),
    "변합니다": ("변해요", "변해"),
    "서툽니다": ("서툴러요", "서툴러"),
    "궁금합니다": ("궁금해요", "궁금해"),
    "여쭙니다": ("여쭤요", "여쭤"),
}
# Question → (formal, casual).
_QUESTIONS: Final = {
    "하나요": ("합니까", "해"),
    "되나요": ("됩니까", "돼"),
    "있나요": ("있습니까", "있어"),
    "없나요": ("없습니까", "없어"),
    "내나요": ("냅니까", "내"),
    "걸리나요": ("걸립니까", "걸려"),
    "달라지나요": ("달라집니까", "달라져"),
    "생기나요": ("생깁니까", "생겨"),
    "까요": ("까요", "까"),
}
_PAST = re.compile(r"([가-힣])습니다\.")
_STATEMENT = re.compile("(" + "|".join(sorted(_STATEMENTS, key=len, reverse=True)) + r")\.")
_QUESTION = re.compile("(" + "|".join(sorted(_QUESTIONS, key=len, reverse=True)) + r")\?")
_COPULA = re.compile(r"(\S)(입니다\.|인가요\?)")


def styled(text: str, style: str) -> str:
    """A polite text at another level of speech; what the tables do not know stays.

    Args:
        text: with the endings of `POLITE`.
        style: one of `STYLES`.
    """
    if style == POLITE:
        return text
    text = re.sub(r"주세요\.", _REQUESTS[style], text)
    level = 1 if style in _CASUAL else 0
    if style not in ("formal", "hope"):  # which keep the formal statements
        text = _PAST.sub(lambda found: _past(found, level), text)
        text = _STATEMENT.sub(lambda found: _STATEMENTS[found[1]][level] + ".", text)
        text = _COPULA.sub(lambda found: _copula(found, level), text)
    if style in ("formal", "hope", *_CASUAL):
        text = _QUESTION.sub(lambda found: _QUESTIONS[found[1]][level] + "?", text)
    if style in ("formal", "hope"):
        text = re.sub(r"인가요\?", "입니까?", text)
    return text


def _past(found: re.Match[str], level: int) -> str:
    if final_sound(found[1]) != "ㅆ" or found[1] in "있겠":
        return found[0]
    return found[1] + ("어.", "어요.")[level == 0]


def _copula(found: re.Match[str], level: int) -> str:
    before, ending = found.groups()
    try:
        closed = final_sound(before) is not None
    except ValueError:
        return found[0]
    if ending.startswith("인가요"):
        return found[0] if level == 0 else before + ("이야?" if closed else "야?")
    if level == 0:
        return before + ("이에요." if closed else "예요.")
    return before + ("이야." if closed else "야.")


#: For sentences of requests: the form before 주다 → the stem before -지.
STEMS: Final = {
    "곁들여": "곁들이",
    "골라": "고르",
    "남겨": "남기",
    "내": "내",
    "내려": "내리",
    "넣어": "넣",
    "담아": "담",
    "드러내": "드러내",
    "들어": "들",
    "만들어": "만들",
    "매겨": "매기",
    "맺어": "맺",
    "밝혀": "밝히",
    "보여": "보이",
    "붙여": "붙이",
    "세워": "세우",
    "써": "쓰",
    "알려": "알리",
    "적어": "적",
    "줄여": "줄이",
    "지어": "짓",
    "지켜": "지키",
    "짚어": "짚",
    "짜": "짜",
    "풀어": "풀",
    "찾아": "찾",
    "꼽아": "꼽",
    "뽑아": "뽑",
    "덧붙여": "덧붙이",
    "가르쳐": "가르치",
    "간추려": "간추리",
    "고쳐": "고치",
    "바꿔": "바꾸",
    "나눠": "나누",
    "나누어": "나누",
    "그려": "그리",
    "등장시켜": "등장시키",
}
_REQUEST = re.compile(r"(\S+)( 주세요\.)")
_PROHIBITION = re.compile(r"(\S+)지 말아 주세요\.")


def negated(sentence: str) -> str | None:
    """A polite request turned into its prohibition, or the other way; None where there is none to turn."""
    if found := _PROHIBITION.search(sentence):
        forms = {stem: form for form, stem in STEMS.items()} | {"넘기": "넘겨"}
        form = _form_of(found[1], forms)
        return (
            None if form is None else sentence[: found.start()] + form + " 주세요." + sentence[found.end() :]
        )
    if found := _REQUEST.search(sentence):
        stem = _form_of(found[1], STEMS)
        return (
            None
            if stem is None
            else sentence[: found.start()] + stem + "지 말아 주세요." + sentence[found.end() :]
        )
    return None


def _form_of(word: str, table: dict[str, str]) -> str | None:
    if word in table:
        return table[word]
    if word.endswith("해"):
        return word[:-1] + "하"
    return word[:-1] + "해" if word.endswith("하") else None


def sentences_of(text: str) -> list[str]:
    """The sentences of a text, quotations kept whole."""
    return [part for part in re.split(r"(?<=[.?!]) (?![^\"]*\"(?:[^\"]*\"[^\"]*\")*[^\"]*$)", text) if part]
