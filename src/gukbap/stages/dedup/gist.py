"""What a short request is about, in a form that its wording does not change.

Two wordings of a short request may share few shingles, "두 제품의 차이점을 설명해 줘" and "두 제품의 차이를
설명해 주세요" a third of them. The gist of both is "두제품차이": the stems of the words of content in their
order, one for all that say the same, and what their particles say of their part in the sentence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from gukbap.stages.dedup.words import Traits, common_form, is_grammar, traits, word_set

#: In longer texts a few words change little of the spelling, and the gist would hide what is said besides.
MOST_WORDS = 12
#: One word alone ("요약해 주세요") may be about anything.
LEAST_WORDS = 2
# Ask to be told, as "설명해 주세요" and "알려 줘" do, which are grammar.
_TELLING = word_set(
    "무엇 무엇인가 무엇인가요 무엇인지 무엇입니까 무엇이야 무엇이죠 무엇일까 무엇일까요 무엇이에요 무언가요 "
    "뭐 뭐야 뭐죠 뭐예요 뭐에요 뭐니 뭘까 뭘까요 뭔지 뭔가요 궁금해 궁금해요 궁금하다 궁금합니다 궁금한데 "
    "말해 줄 있어 있어요 있나요 있니 있을까 있을까요 있습니까 하는"
)
# Grammar or degree elsewhere; of two short requests they make two: "많이 먹는 방법" and "조금 먹는 방법".
_COUNTING = word_set(
    "많이 조금 약간 다시 먼저 함께 모두 바로 가장 더 잘 위해 위한 위하여 통해 통한 경우 때문 까닭 말고"
)
_DIGITS_APART = re.compile(r"\d+|\D+")
# Written together with the verb before it.
_POLITE = re.compile(
    "(?<=.)(?:주시면감사하겠습니다|주시기바랍니다|주시겠습니까|주시겠어요|주실래요|주실수있나요|주십시오|주세요|줄래요?|"
    "줘요?|주라|달라)$"
)
#: one form for all that say who writes it
_WRITING = common_form("작성")
#: "끓이는 법"
_METHOD = common_form("방법")
# What makes a verb of a noun, whose last syllable is none of a verb's then: 추천해 is of 추천.
_VERB = re.compile(
    "(?<=..)(?:시[키킨킬킴켜켰킵]|[되된될됨됩돼됐]|[하해한할함합했])"
    "(?:어|여)?(?:니다|니까|[는고며면기게지자니던서요야도나다]|[는은]지|는데|지만|려면|려고|도록|가요|나요|까요|어요)?$"
)
# By its first syllable: whoever has another do it, or has it done to him, is not who does it.
_VOICES = {"시": "시키", **dict.fromkeys("되된될됨됩돼됐", "되")}
_WHAT = word_set("뭐가 뭐를 뭘 무얼 무엇이 무엇을")
_SUBJECT = "이"
# By what they begin with: what a noun's particle says that its place in the sentence does not.
_ROLES = {
    "께서": _SUBJECT, "에게서": "에서", "에서": "에서", "부터": "에서", "에게": "에게", "한테": "에게",
    "께": "에게",
    "으로": "으로", "로": "으로", "까지": "까지", "보다": "보다", "처럼": "처럼", "같이": "처럼",
    "마다": "마다", "에": "에", "과": "과", "와": "과", "이랑": "과", "하고": "과", "만": "만", "게": "게",
    "이나": "이나",
}  # fmt: skip
# Behind a single syllable, which a stem keeps; and behind the last one, what it asks for.
_BEHIND_ONE, _ASKED_BEHIND_ONE = "을를", "은는야죠"


def gist(words: Sequence[str]) -> str:
    """The gist of a short text's folded words, whose numerals are digits; empty where it has none.

    What it does not hold, and what therefore counts besides: numbers with their units, and negation.
    """
    # "3가지" is "3 가지", too.
    words = [
        part for word in words for part in (_DIGITS_APART.findall(word) if word[0].isdecimal() else (word,))
    ]
    content = [
        (_METHOD if root == "법" and before.endswith("는") else root, role)
        for before, (root, role) in zip(("", *words), map(_content, words), strict=False)
        if root
    ]
    if len(content) < LEAST_WORDS:
        return ""
    # What is asked for may be the subject of a question, its topic, or the object of a request.
    root, role = content.pop()
    asked = root[0] if len(root) == 2 and root[1] in _ASKED_BEHIND_ONE else root
    content.append((asked, "" if role == _SUBJECT else role))
    return "".join(f"{root}{role and f'({role})'}" for root, role in content)


@lru_cache(1 << 14)
def _content(word: str) -> tuple[str, str]:
    """The form of a word of content that stands for all, and its role; both empty if it is no such word."""
    word = _POLITE.sub("", word)
    if word in _TELLING:
        return "", ""
    if word in _WHAT:
        return "무엇", ""
    found, verb = traits(word), _VERB.search(word)
    root = word[: verb.start()] if verb else found.stem
    form = common_form(root)
    # A short word has its particle in its stem, and "사과" only ends like one.
    is_noun = not verb and bool(found.places) and root != word
    # "설명해 주세요" asks, "설명을 요약해 주세요" says of what.
    if is_grammar(root) and form != _WRITING and not is_noun and _COUNTING.isdisjoint((word, root)):
        return "", ""
    if len(word) == 2 and word[1] in _BEHIND_ONE:
        form = common_form(word[0])
    return form + _VOICES.get(verb[0][0] if verb else "", ""), _role(found) if is_noun else ""


def _role(found: Traits) -> str:
    place = found.places[0].removeprefix("들")
    if place in ("이", "가"):
        return _SUBJECT
    return next((role for beginning, role in _ROLES.items() if place.startswith(beginning)), "")
