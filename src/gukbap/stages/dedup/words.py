"""Korean words without what grammar hangs on them: particles and endings.

A rough stem is enough, since it only tells whether two texts differ in what they speak of or in how
they say it; whatever it gets wrong it gets wrong in both texts alike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


# After a noun.
_PARTICLES = word_set(
    "은 는 이 가 을 를 의 에 도 만 과 와 랑 로 께 나 야 아 들 등 이랑 으로 에서 에게 한테 께서 부터 까지 "
    "마다 처럼 보다 이나 라도 조차 밖에 이며 하고 로서 로써 에는 에도 에서는 에서도 에게는 에게서 으로는 "
    "로는 까지는 까지도 부터는 만은 만이 이라는 라는 이란 란 으로서 으로써 이라도 에서의 으로의 와의 "
    "과의 에의 로의 에만 이나마 마저 대로 만큼 같이 들이 들을 들은 들의 들에게 들과 들도"
)
# After a predicate. What remains of the stem is cut back further by _CONTRACTED.
_ENDINGS = word_set(
    "시겠어요 시겠습니까 겠어요 겠습니까 겠습니다 래 래요 을래 을래요 이야 야 거야 거예요 거든 "
    "습니다 습니까 ㅂ니다 니다 니까 세요 으세요 십시오 으십시오 시오 어요 아요 여요 에요 이에요 예요 "
    "해요 다 요 죠 지요 네요 군요 까요 까 나요 니 냐 는지 은지 ㄴ지 지 고 며 면 으면 으며 면서 으면서 서 "
    "어서 아서 여서 려고 으려고 러 도록 게 기 는 은 던 였다 었다 았다 였습니다 었습니다 "
    "았습니다 이다 입니다 인가요 이며 이고 지만 는데 은데 인데 므로 으므로 니까요 더니 거나 든지 라 "
    "어라 아라 어야 아야 해야 음 됨 되는 된 되다 됩니다 되며 되고 돼요 되어 했다 했습니다 했어요 하다 "
    "한다 합니다 하는 하고 하며 하여 해서 하면 하세요 하십시오 해 한 할 함 하기 하게 하도록 하지 시키는 "
    "시킨 시켜 시키고 적 적인 적으로"
)
# The form after a vowel and the one after a consonant are one particle.
_FORMS = {
    "는": "은",
    "가": "이",
    "를": "을",
    "와": "과",
    "랑": "이랑",
    "로": "으로",
    "나": "이나",
    "라는": "이라는",
}
# Particles behind a single syllable, which the stem keeps; "사과" and "전라도" only end like that.
_BEHIND_ONE = "을를에의로와과"
_SHORT = 3
# By these one manner, or what something is, takes the place of another.
_MANNERS = word_set("게 하게")
_COPULAS = word_set("입니다 이다 이에요 예요 인가요 이야 야 이고 이며 인")
_SUFFIXES = _PARTICLES | _ENDINGS
# Last syllable → how long suffixes are that end so, longest first: most words end in none of them.
_LENGTHS = {
    last: sorted({len(suffix) for suffix in _SUFFIXES if suffix[-1] == last}, reverse=True)
    for last in {suffix[-1] for suffix in _SUFFIXES}
}
# Words that carry grammar, degree or politeness, by their stems and by themselves.
_GRAMMAR = word_set(
    "주시겠 주실 주시 실 줄래 달 달라 드릴 드립 여쭤 여쭙 묻 궁금 싶어 싶습 "
    "주 줘 줘요 줄래 주세요 주시 주십시오 줄래요 바랍니다 바라 대해 대하여 대한 관해 관하여 관한 위해 "
    "위한 위하여 통해 통한 것 수 등 및 좀 더 그 이 저 있 없 하 되 보 싶 같 때문 까닭 경우 있습니다 "
    "합니다 또한 그리고 해 합 할 한 함 했 돼 됩 된 될 매우 아주 정말 무척 참 가장 꼭 반드시 다시 잘 많이 "
    "조금 약간 모두 함께 먼저 바로 아래 다음 알려 알려주 설명 작성 써 쓰 적 말 "
    "부탁 부탁드립니다 드리 드려"
)
# Words of instructions that say the same.
_SYNONYMS = {
    word: group.split()[0]
    for group in (
        "방법 방식 요령 비결", "단어 낱말 어휘", "설명 풀이 해설", "예 예시 보기", "이유 까닭 원인",
        "내외 안팎 정도 가량", "자주 흔히", "추천 권", "소개 안내", "알맞 적당 적절", "모두 전부 다",
        "순서 차례", "의견 생각 견해", "작성 쓰 써 적", "만들 준비 마련", "정리 간추려 간추리",
        "점검 확인", "특징 특성", "차이 차이점", "질문 물음", "대답 답 답변", "사용 이용",
        "아이 어린이", "자세히 상세히 구체적 자세하게 상세하게", "간단히 간략히 간단하게 간략하게",
        "친절히 친절하게", "뒤에 후에", "중에 가운데", "이야기 얘기", "비용 경비", "아직 여전히",
    )
    for word in group.split()
}  # fmt: skip
# Native numerals up to 99, in their forms before a counter ("두 개") and alone ("둘").
_ONES = ("", "한 하나", "두 둘", "세 셋 석 서", "네 넷 넉 너", "다섯", "여섯", "일곱", "여덟", "아홉")
_TENS = ("", "열", "스물 스무", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")
NATIVE_NUMERALS = {
    ten + one: str(10 * tens + ones)
    for tens, tens_forms in enumerate(_TENS)
    for ten in tens_forms.split() or [""]
    for ones, ones_forms in enumerate(_ONES)
    for one in ones_forms.split() or [""]
    if ten + one
}
# What these would leave is another word: "이어서" is of "잇다", not of "이".
_IRREGULAR = {"이어": "잇", "이어서": "잇"}
# End a request or a question that has no question mark.
_ASKING = (
    "세요", "시오", "줘", "줘요", "주라", "해라", "하라", "써라", "줄래", "래요", "까", "까요", "나요",
    "인가요", "는가요", "은가요", "는지", "은지", "인지", "바랍니다", "바란다", "바라", "드립니다", "드려요",
    "싶습니다", "싶어요", "싶어", "궁금합니다", "궁금해요", "궁금해", "하기", "쓰기",
)  # fmt: skip
_FINALS = 28
_FIRST, _LAST = ord("가"), ord("힣")
#: ㄴ ㄹ ㅁ ㅂ ㅆ: finals that belong to an ending and not to the stem
_CONTRACTED = frozenset((4, 8, 16, 17, 20))
_VOWELS = 21
#: ㅕ was ㅣ and ㅓ, ㅝ was ㅜ and ㅓ: 걸려요 comes of 걸리
_PLAIN = {6: 20, 14: 13}


def is_grammar(stemmed: str) -> bool:
    """Whether a word of this stem says nothing of its own."""
    return stemmed in _GRAMMAR


def is_particle(ending: str) -> bool:
    """Whether letters are a particle."""
    return ending in _PARTICLES


def is_suffix(letters: str) -> bool:
    """Whether letters are a particle or an ending."""
    return letters in _SUFFIXES


def is_asking(last: str) -> bool:
    """Whether a sentence is a request or a question, by its last word."""
    return last.endswith(_ASKING)


class Traits(NamedTuple):
    """What a folded word is like."""

    stem: str
    #: as places_in_sentence has it
    places: tuple[str, ...]
    #: its stem says nothing of its own
    grammar: bool


# Texts are made of the same words again and again.
@lru_cache(maxsize=1 << 16)
def traits(word: str) -> Traits:
    """Look at a folded word."""
    root = stem(word)
    return Traits(root, places_in_sentence(word, root), is_grammar(root))


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """A folded word without its particles or ending; at least one syllable stays."""
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    for length in _LENGTHS.get(word[-1:], ()):
        suffix = word[-length:]
        # A single syllable may be part of a short noun, and "들" is of "아들": "가을", "나이".
        if suffix in _SUFFIXES and len(word) - length >= (2 if length == 1 or suffix[0] == "들" else 1):
            rest = word[:-length]
            return rest if suffix in _PARTICLES else _open(rest)
    return word


def common_form(stemmed: str) -> str:
    """One stem for all that say the same."""
    return _SYNONYMS.get(stemmed, stemmed)


def places_in_sentence(word: str, stemmed: str) -> tuple[str, ...]:
    """What particle a noun has, in one of its forms; also none where a short noun may end like that itself.

    Empty where the word is no noun by its looks.
    """
    particle = word[len(stemmed) :]
    if word in _PARTICLES:
        return ()
    if particle in _MANNERS:
        return ("게",)
    if len(stemmed) > 1 and particle in _COPULAS:
        return ("이다",)
    if len(word) == 2 and word[1] in _BEHIND_ONE:
        particle = word[1]
    elif particle and particle not in _PARTICLES:
        return ()
    place = _FORMS.get(particle, particle)
    if len(word) - len(particle) == 1 and len(word) <= _SHORT:
        return (place, "")
    return (place,) if len(stemmed) > 1 else ()


def _open(rest: str) -> str:
    """Without what the ending made of the last syllable, and without the verb 하 behind a noun."""
    code = ord(rest[-1]) - _FIRST
    if 0 <= code <= _LAST - _FIRST:
        final, vowel = code % _FINALS, code // _FINALS % _VOWELS
        code -= final if final in _CONTRACTED else 0
        if code % _FINALS == 0:
            code += (_PLAIN.get(vowel, vowel) - vowel) * _FINALS
        rest = rest[:-1] + chr(code + _FIRST)
    if len(rest) > 2 and rest[-1] in "하해되돼":
        rest = rest[:-1]
    return rest
