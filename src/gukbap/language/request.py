"""Whether a Korean question asks for an answer in another language."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gukbap.korean import HANGUL_RANGES, compose_jamo
from gukbap.language.prose import visible
from gukbap.language.scripts import SCRIPTS, Script

_LATIN: Final = frozenset[Script]({"latin"})
_FOREIGN: Final = frozenset[Script](SCRIPTS) - {"hangul"}
# Languages, and scripts that a question may ask for, by the letters that they are written in.
_LANGUAGES: Final[dict[str, frozenset[Script]]] = {
    **dict.fromkeys(("영어", "영문", "불어", "프랑스어", "독일어", "독어", "스페인어", "서반아어"), _LATIN),
    **dict.fromkeys(("이탈리아어", "포르투갈어", "네덜란드어", "라틴어", "베트남어", "터키어"), _LATIN),
    **dict.fromkeys(("튀르키예어", "인도네시아어", "말레이어", "스웨덴어", "폴란드어", "체코어"), _LATIN),
    **dict.fromkeys(("에스페란토", "로마자", "알파벳"), _LATIN),
    **dict.fromkeys(("중국어", "중문", "한문", "한자"), frozenset[Script]({"han"})),
    **dict.fromkeys(("일본어", "일어", "일문"), frozenset[Script]({"kana", "han"})),
    **dict.fromkeys(("러시아어", "노어", "우크라이나어"), frozenset[Script]({"cyrillic"})),
    "몽골어": frozenset[Script]({"cyrillic", "other"}),
    **dict.fromkeys(("아랍어", "태국어", "힌디어", "그리스어", "히브리어"), frozenset[Script]({"other"})),
    **dict.fromkeys(("외국어", "여러 언어", "다른 언어", "여러 나라 언어", "다국어"), _FOREIGN),
    "english": _LATIN,
}
_NAME = re.compile(
    f"(?<![{HANGUL_RANGES}A-Za-z])(?:한|국)?({'|'.join(sorted(_LANGUAGES, key=len, reverse=True))})", re.I
)
_KOREAN = re.compile("한국어|한글|우리말|국어로|korean", re.I)
# Things that are written in a language; asked for when something is to be done that makes them.
_THINGS = (
    "문장|예문|글|이메일|메일|편지|에세이|제목|단어|표현|대사|대화|자기소개|문구|슬로건|이름|버전|시|시를|요약|"
    "번역|가사|광고|소개|이력서|문단|속담|발표문|안내문|표기|병기|답변|답|작문|원고|스크립트|초록"
)
_THING = re.compile(f"(?:{_THINGS})(?:문)?")
_MAKING = re.compile(
    "만들|작성|써|쓰|쓴|적어|적으|지어|제시|알려|추천|출력|완성|바꾸|바꿔|고쳐|고치|수정|교정|요약|번역|들어|생성|"
    "창작|답하|답변|대답|제공|보여|나열|해줘|해봐|해주|부탁|병기|표기"
)
# A thing marked like this has another role than to be made. Between it and its verb stand numbers, counters,
# adverbs and objects.
_STOP = re.compile("(?:고|서|며|면|의|은|는|에|에서|에게|이|가|과|와|부터|까지|보다|라는|된|한|이라는)$")
_BETWEEN = re.compile(
    "\\d|개|가지|정도|내외|이내|이상|다섯|여섯|일곱|여덟|아홉|함께|(?:한|두|세|네|열|줄|편|통|뜻과|[을를게히로])$"
)
_COUNTED = re.compile("(?:개|가지|줄|문장|편|통)(?:으)?로$")
# After 영어로: a text that is there already (영어로 된), or an activity that is spoken of (영어로 말하기).
_TOLD = re.compile(
    "(?:된|되어|쓰인|쓰여|작성된|적힌|번역된|출간|발표된|이루어|나온|부르는|불리)"
    "|(?:말|대화|소통|공부|수업|읽|쓰|일|생각)(?:하)?(?:기|는)"
)
_COMPOSITION = re.compile("영작(?:해|하|을|으로|문을)|한영 번역")
_NOT = re.compile("지\\s?(?:마|말)|금지|안 되|않(?:도록|게)|아니라|대신")
# 영어로, 영어로만, 영어로: …, 영어로써 줘.
_DIRECTION = re.compile(
    "(?:으로|로)(?:만|도|는)?(?:[^가-힣]|$|(?:번역|답|작성|써|쓰|요약|바꾸|바꿔|설명)(?!된))"
)
# 영어와 한국어로, 한자와 함께.
_AND = re.compile("(?:와|과|하고|랑|이랑)$")
_QUOTED = re.compile("\"[^\"]++\"|“[^“”]++”|'[^'\\n]{3,}+'|‘[^‘’]++’|`[^`]++`")
_INTO = re.compile(
    r"\b(?:in|into|to) (english|french|german|spanish|vietnamese|japanese|chinese|russian|arabic)\b", re.I
)
_INTO_SCRIPTS: Final[dict[str, frozenset[Script]]] = {
    "japanese": frozenset[Script]({"kana", "han"}),
    "chinese": frozenset[Script]({"han"}),
    "russian": frozenset[Script]({"cyrillic"}),
    "arabic": frozenset[Script]({"other"}),
}
_TRANSLATE = re.compile(r"(?<!기계 )번역(?:해|하|을 해|을 부탁)|\btranslate\b", re.I)
_LATIN_WORDS = re.compile(r"[A-Za-z]{2,}")


def requested_scripts(question: str) -> frozenset[Script]:
    """Scripts, other than Hangul, in which the question asks for an answer or a part of it; often none.

    A question that quotes another language, or is about one, asks for none. Only the question's own words
    are read: what an earlier turn asked for is not known here.
    """
    text = visible(compose_jamo(question))
    wording = _QUOTED.sub(" ” ", text)
    asked = set[Script](_LATIN if _COMPOSITION.search(wording) else ())
    for name in _NAME.finditer(wording):
        if _asks(wording[name.end() : name.end() + 120]):
            asked |= _LANGUAGES[name[1].lower()]
    for into in _INTO.finditer(wording):
        asked |= _INTO_SCRIPTS.get(into[1].lower(), _LATIN)
    if not asked and _translates_korean(text, wording):
        asked |= _FOREIGN
    return frozenset(asked)


def _asks(after: str) -> bool:
    """Whether what follows the name of a language asks for something in it."""
    words = after.split()
    if not words:
        return False
    suffix, rest = ("", words) if after[0].isspace() else (words[0], words[1:])
    if _DIRECTION.match(suffix):
        return not (rest and _TOLD.match(rest[0])) and not _NOT.search(" ".join(words[:4]))
    if _AND.match(suffix) and rest:
        if rest[0] == "함께":
            return len(rest) > 1 and bool(_MAKING.match(rest[1]))
        return rest[0].endswith("로") and _asks(f"로 {' '.join(rest[1:])}")
    return _makes(words)


def _makes(words: Sequence[str]) -> bool:
    """Whether the words after a language name a thing, and then what makes one."""
    thing = _THING.match(words[0])
    if not thing:
        return False
    if words[0][thing.end() :].startswith(("으로", "로")):
        return True
    if _STOP.search(words[0]):
        return False
    for word in words[1:6]:
        if word.endswith("로") and _KOREAN.search(word):
            return False
        if _COUNTED.search(word) or (_MAKING.match(word) and not word.endswith("지")):
            return True
        if not _BETWEEN.search(word):
            return False
    return False


def _translates_korean(text: str, wording: str) -> bool:
    """Whether Korean text is to be translated, without the language that it goes into."""
    if not _TRANSLATE.search(wording) or _KOREAN.search(wording):
        return False
    return len(_LATIN_WORDS.findall(_TRANSLATE.sub(" ", text))) < 3
