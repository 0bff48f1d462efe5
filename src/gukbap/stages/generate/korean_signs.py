"""Signs by which Korean texts are told apart: requests, refusals, empty phrases, loops, copies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache, lru_cache

from gukbap.korean import windows

#: Longer than what two Korean texts share by chance.
PASSAGE_LETTERS = 12

_CODE_BLOCK = re.compile(r"```.*?(```|$)", re.DOTALL)
#: Ten or more characters in quotation marks are material, not the asker's own words.
_QUOTATION = re.compile(r"\"[^\"\n]{10,}\"|“[^”]{10,}”")
_SENTENCE_END = re.compile(r"(?<=[.!?。?!])[\"'”’」)\]]*\s+|\n+")
_CLOSING = "\"'”’」)]}*~ .!…:"

#: How a sentence ends that asks for something (after closing signs are taken off).
_REQUEST = re.compile(
    r"(주세요|주십시오|주시겠어요|주시겠습니까|주실래요|주시기 바랍니다|주기 바랍니다"
    r"|주시면 (?:됩니다|좋겠습니다)"
    r"|[가-힣] ?줘요?|주라|달라|[하오으]시오|십시오|부탁(?:드립니다|드려요|해요?|합니다)"
    r"|까요|나요|가요|래요|[습입]니까|[느으]?냐|무엇일까|얼마일까"
    r"|[가-힣]세요|마세요|해라|하라|[써봐내]라|[가-힣] ?봐요?|보자|써|싶습니다|싶어요"
    r"|좋겠습니다|좋겠어요|바랍니다|필요합니다|필요해요)$"
)
#: A sentence that sets a condition belongs to the request before it.
_CONDITION = re.compile(
    r"^(단|다만|조건|가정|참고로)[,은는:\s]"
    r"|야 (합니다|해요|한다|함)$|(이내|이상|이하|제외|금지|말 것|할 것|쓸 것)$"
)
_STATEMENT = re.compile(r"(다|요|죠|음|함|됨)$")
_ANSWER_OPENING = re.compile(
    r"^\W*(네[,.!\s]|예,|물론|알겠습니다|좋습니다[.,!]|좋아요[.,!]|정답은|답은|결론적으로"
    r"|안녕하세요|안녕하십니까|감사합니다|답\s*:|답변\s*:|정답\s*:|풀이\s*:)"
)
_ANSWER_LABEL = re.compile(r"^\W*(답|답변|정답|풀이|해답|해설|예시 답안|모범 답안)\W*:", re.MULTILINE)

_APOLOGY = re.compile(
    r"죄송|미안|유감|아쉽지만|아쉽게도|안타깝지만|I'?m sorry|I apologi[sz]e|As an AI", re.IGNORECASE
)
_INABILITY = re.compile(
    r"(답변|대답|답|도움|제공|작성|생성|설명|안내|추천|공유|도와|알려|말씀|수행|처리)"
    r"[가-힣]{0,3} ?(해 ?)?(드릴|드리|할|하|줄|주|될|되) ?(수[가는]? ?없|기[가는]? ?(어렵|힘들|곤란))"
    r"|도와드릴 수[가는]? ?없|응할 수[가는]? ?없|I (?:cannot|can't|am unable to)",
    re.IGNORECASE,
)
_SPEAKS_AS_MODEL = re.compile(r"저는 [^.]{0,20}(인공지능|언어 ?모델|AI)[^.]{0,60}(없|못|어렵|않)")

_STOP_WORDS = frozenset(
    """
    네 예 응 음 아 어 글쎄요 글쎄 그래요 알겠습니다 알겠어요 감사합니다 고맙습니다 물론입니다 물론이죠
    물론이에요 좋습니다 좋아요 안녕하세요 안녕하십니까 그리고 그러나 하지만 그래서 그러므로 따라서 또는
    또한 및 등 즉 혹은 이 그 저 것 수 은 는 가 을 를 에 의 와 과 도 로 으로 에서
    the a an of and or to yes ok okay sure
    """.split()  # noqa: SIM905 - a list of a hundred quoted words is harder to read
)
_FOREIGN_RUN = re.compile(r"[\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]{2,}")


def asks_for_something(text: str) -> bool:
    """Whether a text makes a request or puts a question to its reader, and says no more than that.

    Material may follow the request on a new line, in quotation marks or in a code block, and so may
    conditions ("단, …", "… 야 합니다."). A plain statement behind the request is what small models
    write when they begin to answer.
    """
    asked = False
    for line in _QUOTATION.sub('""', _CODE_BLOCK.sub("\n", text)).splitlines():
        sentences = _sentences(line)
        asking = [number for number, sentence in enumerate(sentences) if _asks(sentence)]
        if asking:
            asked = True
            if any(_states(sentence) for sentence in sentences[asking[-1] + 1 :]):
                return False
    return asked


def _asks(sentence: str) -> bool:
    if sentence.rstrip("\"'”’」)]} ").endswith("?"):
        return True
    before_list = sentence.partition(":")[0]
    return any(_REQUEST.search(part.rstrip(_CLOSING)) for part in (sentence, before_list))


def _states(sentence: str) -> bool:
    bare = sentence.rstrip(_CLOSING)
    quoted = sentence[0] in "\"'“‘「" and sentence[-1] in "\"'”’」"
    material = quoted or sentence[0] in "(<[-*" or ":" in sentence
    return not material and not _CONDITION.search(bare) and _STATEMENT.search(bare) is not None


def lacks_material(text: str, parent: str) -> bool:
    """Whether the material that a parent brings along (a passage, a table, code, a list) is gone."""
    return _holds_material(parent) and not _holds_material(text)


def _holds_material(text: str) -> bool:
    return "\n" in text.strip() or ": " in text or _QUOTATION.search(text) is not None


def opens_like_answer(text: str) -> bool:
    """Whether a text begins, or goes on after a label, as replies do ("네, …", "정답은 …", "답:")."""
    return _ANSWER_OPENING.match(text) is not None or _ANSWER_LABEL.search(text) is not None


def refuses(text: str, instruction: str) -> bool:
    """Whether a text declines the instruction.

    An apology counts in the first sentence, and not where the instruction itself speaks of one (a
    letter of apology is an answer, not a refusal).
    """
    if _INABILITY.search(text) or _SPEAKS_AS_MODEL.search(text):
        return not _INABILITY.search(instruction)
    first = (_sentences(text) or [""])[0]
    return bool(_APOLOGY.search(first)) and not re.search(r"사과|죄송|미안|거절|취소|양해|유감", instruction)


def has_content(text: str) -> bool:
    """Whether a text holds more than punctuation and stop words."""
    words = re.finditer(r"[^\W_]+", text.lower())
    return any(word[0] not in _STOP_WORDS for word in words)


def loops(text: str) -> bool:
    """Whether a text goes round in circles: outside of code, 16 letters in a row come four times.

    A short text that is one phrase over and over (fewer than half of its windows differ) counts too.
    """
    found = list(windows(_bare(_CODE_BLOCK.sub(" ", text)), 16))
    distinct = len(set(found))
    if distinct + 3 > len(found):  # no window can come four times
        return 2 * distinct < len(found)
    return 2 * distinct < len(found) or max(Counter(found).values()) >= 4


def repeated_share(text: str) -> float:
    """Which share of a text's runs of 16 letters, code aside, stands there before; 0–1."""
    found = list(windows(_bare(_CODE_BLOCK.sub(" ", text)), 16))
    return 1 - len(set(found)) / len(found) if found else 0.0


def foreign_words(text: str, *known: str) -> bool:
    """Whether Chinese, Japanese, Cyrillic, Thai or Arabic words stand in a text for no reason.

    Words that a known text (the parent, the instruction) holds, and Hanja in brackets after Hangul,
    have a reason.
    """
    for run in _FOREIGN_RUN.finditer(text):
        in_brackets = text[max(run.start() - 1, 0) : run.start()] in ("(", "[", "‘", "'")
        if not in_brackets and not any(run[0] in other for other in known):
            return True
    return False


def likeness(one: str, other: str) -> float:
    """Jaccard similarity of two texts' character trigrams, spaces and signs aside; 0–1."""
    first, second = set(windows(_bare(one), 3)), set(windows(_bare(other), 3))
    if not first or not second:
        return float(_bare(one) == _bare(other))
    return len(first & second) / len(first | second)


def shares_passage(text: str, sources: Iterable[str], allowed: str) -> bool:
    """Whether 12 letters in a row of a source stand in a text, and not in an allowed text."""
    shared = _passages(tuple(sources)).intersection(windows(_bare(text), PASSAGE_LETTERS))
    return bool(shared) and bool(shared.difference(windows(_bare(allowed), PASSAGE_LETTERS)))


@cache
def _passages(sources: tuple[str, ...]) -> frozenset[str]:
    return frozenset().union(*(windows(_bare(source), PASSAGE_LETTERS) for source in sources))


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


# What is no letter and no number (str.isalnum).
_SIGNS = re.compile(r"[\W_]+")


@lru_cache(maxsize=256)  # several signs look at the same text
def _bare(text: str) -> str:
    return _SIGNS.sub("", text.lower())
