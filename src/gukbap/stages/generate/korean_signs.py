"""Signs by which Korean texts are told apart: requests, refusals, empty phrases, loops, copies."""

from __future__ import annotations

import re

from gukbap.korean import is_hangul

_CODE_BLOCK = re.compile(r"```.*?(```|$)", re.DOTALL)
_SENTENCE_END = re.compile(r"(?<=[.!?。?!])[\"'”’」)\]]*\s+|\n+")
_CLOSING = "\"'”’」)]}*~ .!…:"

#: Endings that only someone who asks for something uses.
_REQUEST = re.compile(
    r"(주세요|주십시오|주시겠어요|주시겠습니까|주실래요|주시기 바랍니다|주시면 됩니다|주시면 좋겠습니다"
    r"|주기 바랍니다"
    r"|(?:[해어아여려져혀와워줘내써봐]|들려|알려) ?줘요?|주라|달라"
    r"|[하오]시오|십시오|으시오|부탁드립니다|부탁해요?|부탁합니다"
    r"|할까요?|까요|나요|가요|[습입]니까|[느으]?냐|무엇일까|얼마일까)$"
)
#: Endings that advice in an answer has too; they count only at the end of a text.
_SOFT_REQUEST = re.compile(
    r"([가-힣]세요|해라|하라|[써봐내]라|[가-힣] ?봐|보자|해|써|싶습니다|싶어요|좋겠습니다"
    r"|좋겠어요|바랍니다)$"
)
_ANSWER_OPENING = re.compile(
    r"^\W*(네[,.!\s]|예,|물론|알겠습니다|좋습니다[.,!]|좋아요[.,!]|다음은|아래는|여기|정답은|답은|결론적으로"
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
    """Whether a text makes a request or puts a question to its reader.

    A clear request may stand in any sentence outside of code (material may follow it); an ending
    that advice shares must be the last.
    """
    sentences = _sentences(_CODE_BLOCK.sub("\n", text))
    if any(sentence.rstrip(_CLOSING).endswith("?") for sentence in sentences):
        return True
    bare = [sentence.rstrip(_CLOSING) for sentence in sentences]
    if any(_REQUEST.search(sentence) for sentence in bare):
        return True
    return bool(bare) and _SOFT_REQUEST.search(bare[-1]) is not None


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
    words = re.findall(r"[^\W_]+", text.lower())
    return any(word not in _STOP_WORDS for word in words)


def loops(text: str) -> bool:
    """Whether a text goes round in circles.

    Said of a text whose 12-character windows (letters and digits alone) are mostly repeats, or
    that says one line of 8 or more characters four times.
    """
    bare = [character for character in text if character.isalnum()]
    windows = ["".join(bare[i : i + 12]) for i in range(len(bare) - 11)]
    if len(windows) >= 40 and len(set(windows)) < 0.6 * len(windows):
        return True
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) >= 8 and has_content(line)]
    return any(lines.count(line) >= 4 for line in set(lines))


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
    first, second = _trigrams(one), _trigrams(other)
    if not first or not second:
        return float(_bare(one) == _bare(other))
    return len(first & second) / len(first | second)


def shares_passage(text: str, source: str, allowed: str, length: int = 14) -> bool:
    """Whether `length` letters in a row of a source stand in a text, and not in an allowed text."""
    bare, wanted, fine = _bare(text), _bare(source), _bare(allowed)
    passages = {wanted[i : i + length] for i in range(len(wanted) - length + 1)}
    return any(
        bare[i : i + length] in passages and bare[i : i + length] not in fine
        for i in range(len(bare) - length + 1)
    )


def hangul_letters(text: str) -> int:
    """How many Hangul letters a text holds."""
    return sum(map(is_hangul, text))


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _bare(text: str) -> str:
    return "".join(character for character in text.lower() if character.isalnum())


def _trigrams(text: str) -> set[str]:
    bare = _bare(text)
    return {bare[i : i + 3] for i in range(len(bare) - 2)}
