"""Twins that must stay: nearly the same letters, another request. Each kind changes what decides."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from typing import Final

from bench.korean_pairs.base_texts import BaseText, drawn_words, kind_of
from bench.korean_pairs.styles import negated, sentences_of
from bench.korean_pairs.synonyms import swapped, whole_word
from bench.korean_pairs.texts import ANTONYMS, TASKS, UNITS, WORDS

#: What a twin is made of; None where the kind cannot be had of this text.
Twin = Callable[[BaseText, random.Random], str | None]

# Kinds whose words are people, places or things: another one asks for something else.
_DECISIVE: Final = frozenset(WORDS) - {
    *("number", "tens", "hundreds", "money", "year", "hour", "day", "month", "weekday", "few"),
    *("name", "reader", "programming", "tongue", "format"),
}
_DIGITS = re.compile(r"\d+")
_DIRECTIONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"{(city1)}에서 .*{(city2)}",
        r"{(tongue1)}에서 {(tongue2)}",
        r"{(format1)} 파일을 {(format2)}",
        r"{(programming1)} 코드를 {(programming2)}",
        r"{(food1)} 대신 {(food2)}",
        r"{(food1)}\S+ 오래 .*{(food2)}",
        r"{(name1)}\S+ {(name2)}에게",
        r"{(name1)}\S+ {(name2)}보다",
        r"{(weekday1)}에는 .*{(weekday2)}에는",
    )
)
# Words that may be exchanged in a given text, where nothing is known of its parts.
_FAMILIES: Final = tuple(
    WORDS[kind] for kind in ("city", "country", "dish", "job", "pet", "hobby", "product")
)


def number(base: BaseText, draw: random.Random) -> str | None:
    """One number in digits is another."""
    slot = _drawn_slot(base, draw, ("number", "tens", "hundreds", "money", "year", "hour"))
    if slot:
        return _other_word(base, draw, slot)
    numbers = list(_DIGITS.finditer(base.text)) if base.given else []
    if not numbers:
        return None
    found = draw.choice(numbers)
    return _replaced(base.text, found, str(int(found[0]) + draw.randint(1, 8)))


def number_word(base: BaseText, draw: random.Random) -> str | None:
    """One number in words is another: "세 가지" and "네 가지"."""
    slot = _drawn_slot(base, draw, ("few",))
    return _other_word(base, draw, slot) if slot else None


def date(base: BaseText, draw: random.Random) -> str | None:
    """Another month, day or day of the week."""
    slot = _drawn_slot(base, draw, ("month", "day", "weekday"))
    if slot:
        return _other_word(base, draw, slot)
    days = [day for day in WORDS["weekday"] if base.given and day in base.text]
    if not days:
        return None
    return base.text.replace(
        draw.choice(days), draw.choice([day for day in WORDS["weekday"] if day not in days])
    )


def unit(base: BaseText, draw: random.Random) -> str | None:
    """Another unit behind the same number."""
    choices = []
    for old, new, behind in UNITS:
        pattern = re.compile(rf"(?<!\d)(?<!시 )(?:\d+|(?:두|세|네|다섯|여섯|일곱) ){old}{behind}")
        choices += [(found, old, new) for found in pattern.finditer(base.text)]
    if not choices:
        return None
    found, old, new = draw.choice(choices)
    before = found.end() - len(old)
    return base.text[:before] + swapped(base.text[before:], old, new, 1)


def noun(base: BaseText, draw: random.Random) -> str | None:
    """The decisive noun is another of its kind: another city, dish or event."""
    if not base.given:
        slot = _drawn_slot(base, draw, _DECISIVE)
        return _other_word(base, draw, slot) if slot else None
    held = [
        (family, word)
        for family in _FAMILIES
        for word in family
        if len(word) > 1 and whole_word(word).search(base.text)
    ]
    if not held:
        return None
    family, word = draw.choice(held)
    return swapped(base.text, word, draw.choice([other for other in family if other not in base.text]))


def language(base: BaseText, draw: random.Random) -> str | None:
    """Another programming or human language."""
    if not base.given:
        slot = _drawn_slot(base, draw, ("programming", "tongue", "format"))
        return _other_word(base, draw, slot) if slot else None
    held = [
        (kind, word)
        for kind in ("programming", "tongue")
        for word in WORDS[kind]
        if whole_word(word).search(base.text)
    ]
    if not held:
        return None
    kind, word = draw.choice(held)
    return swapped(base.text, word, draw.choice([other for other in WORDS[kind] if other not in base.text]))


def names(base: BaseText, draw: random.Random) -> str | None:
    """Every person of the request is another."""
    slots = [slot for slot in base.main_slots() if kind_of(slot) == "name"]
    return base.with_slots(_new_words(base, draw, slots)).text if slots else None


def template(base: BaseText, draw: random.Random) -> str | None:
    """Every word in the slots of the request is another; opener and closers are the same."""
    slots = base.main_slots()
    return base.with_slots(_new_words(base, draw, slots)).text if slots else None


def direction(base: BaseText, draw: random.Random) -> str | None:
    """The other way round: from Korean to English, from English to Korean."""
    for pattern in _DIRECTIONS:
        if found := pattern.search(base.parts[base.main]):
            one, other = found.groups()
            return base.with_slots({one: base.slots[other], other: base.slots[one]}).text
    return None


def negation(base: BaseText, draw: random.Random) -> str | None:
    """A condition becomes its opposite: "넣어 주세요" and "넣지 말아 주세요"."""
    parts = list(base.parts)
    sentences = [
        (part, n, sentence)
        for part, text in enumerate(parts)
        for n, sentence in enumerate(sentences_of(text))
        if (part > base.main or (part == base.main and (n > 0 or base.given))) and negated(sentence)
    ]
    if not sentences:
        return None
    part, n, sentence = draw.choice(sentences)
    turned = negated(sentence)
    assert turned is not None
    changed = sentences_of(parts[part])
    changed[n] = turned
    parts[part] = " ".join(changed)
    return replace(base, parts=tuple(parts)).text


def antonym(base: BaseText, draw: random.Random) -> str | None:
    """One word becomes its opposite: "늘리려고" and "줄이려고"."""
    polite = base.marked
    pairs = [pair for pair in ANTONYMS if whole_word(pair[0]).search(polite) and pair[1] not in polite]
    return base.finished(swapped(polite, *draw.choice(pairs))) if pairs else None


def task(base: BaseText, draw: random.Random) -> str | None:
    """Another short request about the same text."""
    request, *material = base.parts
    other = draw.choice([task for task in TASKS if task != request])
    return replace(base, parts=(other, *material)).text


def _drawn_slot(base: BaseText, draw: random.Random, kinds: Container[str]) -> str | None:
    slots = [slot for slot in base.main_slots() if kind_of(slot) in kinds]
    return draw.choice(slots) if slots else None


def _other_word(base: BaseText, draw: random.Random, slot: str) -> str:
    return base.with_slots(_new_words(base, draw, [slot])).text


def _new_words(base: BaseText, draw: random.Random, slots: list[str]) -> Mapping[str, str]:
    return drawn_words(draw, slots, taken=base.slots.values())


def _replaced(text: str, found: re.Match[str], new: str) -> str:
    return text[: found.start()] + new + text[found.end() :]


KINDS: Final[dict[str, Twin]] = {
    "number": number,
    "number word": number_word,
    "date": date,
    "unit": unit,
    "noun": noun,
    "language": language,
    "names": names,
    "template": template,
    "direction": direction,
    "negation": negation,
    "antonym": antonym,
    "task": task,
}
