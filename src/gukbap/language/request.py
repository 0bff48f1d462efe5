"""Which languages a question asks the answer to be in."""

from __future__ import annotations

import re
from typing import Final

from gukbap.korean import compose_jamo
from gukbap.language.scripts import Script

# Names of languages, and the scripts that an answer in them is written in.
_LANGUAGES: Final[tuple[tuple[str, frozenset[Script]], ...]] = (
    ("영어|영문|스페인어|프랑스어|독일어|이탈리아어|라틴어|베트남어|외국어", frozenset({"latin"})),
    ("중국어|한자|한문|중문", frozenset({"han"})),
    ("일본어|일어|일문", frozenset({"kana", "han"})),
    ("러시아어", frozenset({"cyrillic"})),
    ("아랍어|태국어|힌디어|그리스어", frozenset({"other"})),
)
# What makes a language's name a request: written or said in it, turned into it, or words of it asked for.
# "영어로 된 글을 한국어로 …" tells of the text that is given, so 된, 쓰인 and 적힌 are no request.
_INTO = r"(?:로|으로)(?!\s*(?:된|되어|쓰인|쓰여|적힌|작성된|번역된))"
_THINGS = r"\s*(?:문장|단어|표현|이름|제목|에세이|이메일|편지|대화|시를|문구|슬로건|번역|작문)"
_KOREAN_GOAL = re.compile("(?:한국어|한글|우리말)(?:로|으로)")
_WRITING = re.compile("영작|translate|in English", re.IGNORECASE)


def requested_scripts(question: str) -> frozenset[Script]:
    """The scripts, Hangul left out, of the languages that a Korean question asks for.

    A question that only holds words of another language asks for none. Time is linear in its length.
    """
    text = compose_jamo(question)
    found: set[Script] = set()
    for names, scripts in _LANGUAGES:
        into = re.search(f"(?:{names}){_INTO}", text)
        things = re.search(f"(?:{names}){_THINGS}", text)
        if into or (things and not _KOREAN_GOAL.search(text)):
            found |= scripts
    if _WRITING.search(text):
        found.add("latin")
    return frozenset(found)
