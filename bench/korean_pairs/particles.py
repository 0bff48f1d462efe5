"""Korean particles whose form follows the sound before them.

Texts under construction carry a mark before such a particle, in its form after a vowel ("보고서|를");
`resolved` chooses the form. So a noun can be exchanged without a wrong particle behind it.
"""

from __future__ import annotations

import re
from typing import Final

#: Stands before a particle in a text under construction; frames write it as "|".
MARK: Final = "\ue000"
#: Encloses two neighbouring phrases that may change places; frames write them as "<…> <…>".
OPEN, CLOSE = "\ue001", "\ue002"

#: The form after a vowel → the form after a consonant.
AFTER_CONSONANT: Final = {
    "를": "을",
    "는": "은",
    "가": "이",
    "와": "과",
    "로": "으로",
    "로서": "으로서",
    "랑": "이랑",
    "나": "이나",
    "라는": "이라는",
    "라고": "이라고",
    "란": "이란",
    "라면": "이라면",
    "든": "이든",
    "며": "이며",
    "다": "이다",
}
# Of Latin words and signs as they are read: the last sound, None for a vowel.
_READINGS: Final[dict[str, str | None]] = {
    "JSON": "ㄴ",
    "CSV": None,
    "XML": "ㄹ",
    "YAML": "ㄹ",
    "HTML": "ㄹ",
    "PDF": None,
    "SQL": "ㄹ",
    "C++": None,
    "C#": "ㅂ",
    "PHP": None,
    "Go": None,
    "km": None,
    "m": None,
    "cm": None,
    "kg": "ㅁ",
    "g": "ㅁ",
    "L": None,
    "mL": None,
    "%": None,
}
_DIGIT_SOUNDS: Final[dict[str, str | None]] = dict(
    zip("0123456789", ["ㅇ", "ㄹ", None, "ㅁ", None, None, "ㄱ", "ㄹ", "ㄹ", None], strict=True)
)
#: The final consonants of syllables in the order of Unicode; none comes first.
FINALS: Final = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_MARKED = re.compile(MARK + "(" + "|".join(sorted(AFTER_CONSONANT, key=len, reverse=True)) + ")")
_WORD = re.compile(r"[A-Za-z]+[+#]*$|%$")
_CLOSING = "'\"’”)」』" + CLOSE


def final_sound(text: str) -> str | None:
    """The consonant with which a text ends as it is read; None for a vowel.

    Raises:
        ValueError: the text ends with something whose reading is not known.
    """
    text = text.rstrip(_CLOSING)
    last = text[-1:]
    if "가" <= last <= "힣":
        return FINALS[(ord(last) - ord("가")) % 28] or None
    if last in _DIGIT_SOUNDS:
        return _DIGIT_SOUNDS[last]
    word = _WORD.search(text)
    if word and word[0] in _READINGS:
        return _READINGS[word[0]]
    raise ValueError(f"no reading is known for the end of {text[-12:]!r}")


def attached(noun: str, particle: str) -> str:
    """A noun with a particle that is given in its form after a vowel."""
    sound = final_sound(noun)
    closed = sound is not None and not (sound == "ㄹ" and particle in ("로", "로서"))
    return noun + (AFTER_CONSONANT.get(particle, particle) if closed else particle)


def marked(frame: str) -> str:
    """A frame as it is written, with its signs "|", "<" and ">" as marks."""
    return frame.replace("|", MARK).replace("<", OPEN).replace(">", CLOSE)


def resolved(text: str) -> str:
    """The text as it is read: every marked particle in its form, without marks."""
    pieces: list[str] = []
    place = 0
    for found in _MARKED.finditer(text):
        pieces.append(text[place : found.start()])
        before = "".join(pieces)[-24:]
        pieces.append(attached(before, found[1])[len(before) :])
        place = found.end()
    return re.sub(f"[{MARK}{OPEN}{CLOSE}]", "", "".join([*pieces, text[place:]]))
