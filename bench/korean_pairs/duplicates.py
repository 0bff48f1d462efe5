"""Near-duplicates: the same request written another way, by kind.

Each kind takes a base text and a source of randomness and returns the text as it is read, or None where
the kind cannot be had of this text.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from bench.korean_pairs.base_texts import BaseText
from bench.korean_pairs.particles import CLOSE, FINALS, MARK, OPEN
from bench.korean_pairs.styles import POLITE, STYLES, styled
from bench.korean_pairs.synonyms import EITHER_WAY, swapped, whole_word

Variant = Callable[[BaseText, random.Random], str | None]
_TextChange = Callable[[str, random.Random], str]

# Marked particles and what may stand in their place; "" leaves the particle out, as speech does.
_PARTICLES: Final = {"를": ("",), "와": ("하고", f"{MARK}랑"), "의": ("",)}
# Of any text: never part of another word where spaces stand so.
_LOOSE_PARTICLES: Final = (
    ("에게 ", "한테 "),
    ("에 대한 ", "에 관한 "),
    ("에 대해 ", "에 관해 "),
    ("에서 ", "에서는 "),
    ("까지 ", "까지는 "),
    ("부터 ", "부터는 "),
    ("마다 ", "마다는 "),
)
_WRITTEN_NUMBERS: Final = {"두": "2", "세": "3", "네": "4", "다섯": "5", "여섯": "6", "일곱": "7"}
_COUNTED = re.compile(
    r"(?<![가-힣])(두|세|네|다섯|여섯|일곱) (?=가지|개|명|문장|문단|단계|곳|번|줄|마디|시간|배|달)"
)
_GROUPED = re.compile(r"(?<=\d),(?=\d{3})")
_GREETINGS: Final = (
    "안녕하세요. ",
    "안녕하세요! ",
    "저기요, ",
    "혹시 괜찮다면 ",
    "질문이 있습니다. ",
    "부탁이 있어요. ",
)
_THANKS: Final = (
    " 감사합니다.",
    " 미리 감사드립니다.",
    " 꼭 부탁드립니다.",
    " 고맙습니다!",
    " 잘 부탁드려요.",
)
_ENDINGS: Final = ("!", "!!", "~", "...", " ^^", " ㅠㅠ", " 😊", " 🙏", " :)", "…")
_TIGHT: Final = (
    " 주세요", " 주십시오", " 줘", " 수 ", " 가지 ", " 것", " 때",
    " 안팎", " 씨", " 동안", " 만에", " 문장", " 코드", " 번 ",
)  # fmt: skip
_JAMO_SLIPS: Final = {
    "ㅐ": "ㅔ",
    "ㅔ": "ㅐ",
    "ㅗ": "ㅓ",
    "ㅓ": "ㅏ",
    "ㅏ": "ㅓ",
    "ㅜ": "ㅠ",
    "ㅣ": "ㅢ",
    "ㅕ": "ㅑ",
    "ㅡ": "ㅜ",
}
_VOWELS: Final = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_LEADS: Final = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_INVISIBLE: Final = ("\u200b", "\u200d", "\ufeff", "\u00ad", "\u2060")


def particles(base: BaseText, draw: random.Random) -> str | None:
    """One to three particles exchanged or left out."""
    text = base.marked
    places = [
        (found.start(), found.end(), _PARTICLES[found[1]])
        for found in re.finditer(f"{MARK}(를|와|의)(?= |$)", text)
    ]
    for place, end, choices in sorted(
        draw.sample(places, min(len(places), draw.randint(1, 2))), reverse=True
    ):
        text = text[:place] + draw.choice(choices) + text[end:]
    loose = [pair for pair in _LOOSE_PARTICLES if pair[0] in text]
    if loose and (not places or draw.random() < 0.5):
        text = text.replace(*draw.choice(loose), 1)
    return _if_changed(base, base.finished(text))


def endings(base: BaseText, draw: random.Random) -> str | None:
    """The whole text at another level of speech."""
    for style in draw.sample(STYLES, len(STYLES)):
        text = styled(base.text, style) if base.given else replace(base, style=style).text
        if style != base.style and text != base.text:
            return text
    return None


def spacing(base: BaseText, draw: random.Random) -> str | None:
    """Spaces left out where writers leave them out, added before particles, doubled, or nearly all gone."""
    text = base.text
    way = draw.choices(("tight", "loose", "double", "none"), (5, 2, 2, 1))[0]
    if way == "tight":
        found = [space for space in _TIGHT if space in text]
        for space in draw.sample(found, min(len(found), draw.randint(1, 4))):
            text = text.replace(space, space.strip() + (" " if space.endswith(" ") else ""))
    elif way == "loose":
        text = _loose(base, draw)
    elif way == "double":
        gaps = [place for place, character in enumerate(text) if character == " "]
        for place in sorted(draw.sample(gaps, min(len(gaps), draw.randint(1, 4))), reverse=True):
            text = text[:place] + draw.choice(("  ", "\n", "\u3000", "\u00a0", "   ")) + text[place + 1 :]
    else:
        text = text.replace(" ", "")
    return _if_changed(base, text)


def _loose(base: BaseText, draw: random.Random) -> str:
    """A space before one to three particles, as hurried writers set it."""
    words = base.text.split(" ")
    places = [
        n for n, word in enumerate(words) if len(word) > 3 and word[-1] in "을를은는에도" and word.isalpha()
    ]
    for place in draw.sample(places, min(len(places), draw.randint(1, 3))):
        words[place] = f"{words[place][:-1]} {words[place][-1]}"
    return " ".join(words)


def synonym(base: BaseText, draw: random.Random) -> str | None:
    """One word for another of the same meaning."""
    pairs = [pair for pair in EITHER_WAY if whole_word(pair[0]).search(base.text)]
    return _if_changed(base, swapped(base.text, *draw.choice(pairs))) if pairs else None


def typo(base: BaseText, draw: random.Random) -> str | None:
    """One slip of the fingers: a vowel, a lost final consonant, a doubled or exchanged syllable."""
    text = base.text
    places = [found.start() for found in re.finditer("(?<=[가-힣])[가-힣](?=[가-힣])", text)]
    for place in draw.sample(places, len(places)):
        slipped = draw.choice(_SLIPS)(text, place)
        if slipped != text:
            return slipped
    return None


def _vowel(text: str, place: int) -> str:
    lead, vowel, final = _jamo(text[place])
    return text[:place] + _syllable(lead, _JAMO_SLIPS.get(vowel, vowel), final) + text[place + 1 :]


def _lost_final(text: str, place: int) -> str:
    lead, vowel, _ = _jamo(text[place])
    return text[:place] + _syllable(lead, vowel, "") + text[place + 1 :]


def _doubled(text: str, place: int) -> str:
    return text[:place] + text[place] + text[place:]


def _exchanged(text: str, place: int) -> str:
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


_SLIPS: Final = (_vowel, _lost_final, _doubled, _exchanged)


def _jamo(syllable: str) -> tuple[str, str, str]:
    number = ord(syllable) - ord("가")
    return _LEADS[number // 588], _VOWELS[number % 588 // 28], FINALS[number % 28]


def _syllable(lead: str, vowel: str, final: str) -> str:
    return chr(ord("가") + _LEADS.index(lead) * 588 + _VOWELS.index(vowel) * 28 + FINALS.index(final))


def decomposed(base: BaseText, draw: random.Random) -> str | None:
    """Unicode normal form D, as macOS writes it."""
    return _if_changed(base, unicodedata.normalize("NFD", base.text))


def full_width(base: BaseText, draw: random.Random) -> str | None:
    """Digits, letters and signs in full width, as East Asian input methods write them."""
    wide = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
    return _if_changed(base, base.text.translate(wide))


def compatibility_jamo(base: BaseText, draw: random.Random) -> str | None:
    """One word spelled out in compatibility jamo, as broken input methods leave it."""
    words = base.text.split(" ")
    places = [place for place, word in enumerate(words) if re.fullmatch("[가-힣]{2,4}", word)]
    if not places:
        return None
    place = draw.choice(places)
    words[place] = "".join("".join(_jamo(syllable)) for syllable in words[place])
    return " ".join(words)


def invisible(base: BaseText, draw: random.Random) -> str | None:
    """Zero-width characters and soft hyphens within words, as copied web pages have them."""
    text = base.text
    for place in sorted(
        draw.sample(range(1, len(text)), min(len(text) - 1, draw.randint(1, 8))), reverse=True
    ):
        text = text[:place] + draw.choice(_INVISIBLE) + text[place:]
    return _if_changed(base, text)


def punctuation(base: BaseText, draw: random.Random) -> str | None:
    """Full stops, commas and quotation marks otherwise; emoji and letters of laughter behind."""
    text = base.text
    ways: Sequence[_TextChange] = (
        lambda text, draw: text.replace(". ", " ").rstrip("."),
        lambda text, draw: text.replace(", ", " "),
        lambda text, draw: text.replace("'", '"') if "'" in text else re.sub('"(.*?)"', r"「\1」", text),
        lambda text, draw: text.rstrip(".?!") + draw.choice(_ENDINGS),
        lambda text, draw: text.replace(". ", draw.choice(("! ", "~ ", "… ", ".. ", ".\n"))),
        lambda text, draw: draw.choice(("✅ ", "▶ ", "👉 ", "- ", "★ ")) + text,
    )
    for way in draw.sample(ways, draw.randint(1, 3)):
        text = way(text, draw)
    return _if_changed(base, text)


def clauses(base: BaseText, draw: random.Random) -> str | None:
    """Conditions before the request, in another order; or two neighbouring phrases exchanged."""
    phrases = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE} {OPEN}([^{CLOSE}]*){CLOSE}")
    parts = list(base.parts)
    if phrases.search(parts[base.main]) and draw.random() < 0.7:
        parts[base.main] = phrases.sub(r"\2 \1", parts[base.main])
    elif len(parts) - base.main > 2 and draw.random() < 0.5:
        parts[base.main + 1 :] = reversed(parts[base.main + 1 :])
    elif len(parts) > base.main + 1 and not base.given:
        parts.insert(base.main, parts.pop())
    elif len(parts) > 2:
        parts.insert(-2, parts.pop())
    return _if_changed(base, replace(base, parts=tuple(parts)).text)


def courtesy(base: BaseText, draw: random.Random) -> str | None:
    """A greeting before or thanks behind."""
    text = base.text
    if draw.random() < 0.5 and not text.startswith("안녕"):
        return draw.choice(_GREETINGS) + text
    return text + draw.choice(_THANKS)


def number_form(base: BaseText, draw: random.Random) -> str | None:
    """The same numbers in other signs: "세 가지" and "3가지", "12,000" and "12000"."""
    text = _COUNTED.sub(lambda found: _WRITTEN_NUMBERS[found[1]], base.text)
    return _if_changed(base, _GROUPED.sub("", text))


def _if_changed(base: BaseText, text: str) -> str | None:
    return text if text != base.text else None


SINGLE: Final[dict[str, Variant]] = {
    "particles": particles,
    "endings": endings,
    "spacing": spacing,
    "synonym": synonym,
    "typo": typo,
    "NFD": decomposed,
    "full width": full_width,
    "jamo": compatibility_jamo,
    "invisible": invisible,
    "punctuation": punctuation,
    "clauses": clauses,
    "courtesy": courtesy,
    "number form": number_form,
}


def two_kinds(base: BaseText, draw: random.Random) -> str | None:
    """Two different kinds one after the other: one that needs the text's parts, then one on its letters."""
    first = draw.choice((particles, endings, clauses))(base, draw)
    second = draw.choice((spacing, synonym, typo, invisible, punctuation, courtesy))
    if first is None:
        return None
    changed = BaseText((first,), 0, {}, POLITE, given=True)
    return second(changed, draw)


def same_task(base: BaseText, draw: random.Random) -> str | None:
    """A short request about a text, with one change of any small kind."""
    return draw.choice((particles, endings, spacing, typo, punctuation, courtesy))(base, draw)


KINDS: Final[dict[str, Variant]] = {**SINGLE, "two kinds": two_kinds, "same task": same_task}
