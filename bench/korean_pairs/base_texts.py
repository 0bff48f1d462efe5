"""Base texts: distinct requests composed of an opener, a main request and closing conditions."""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bench.korean_pairs.particles import marked, resolved
from bench.korean_pairs.styles import POLITE, STYLES, sentences_of, styled
from bench.korean_pairs.synonyms import rephrased
from bench.korean_pairs.texts import CLOSERS, MAINS, MATERIALS, OPENERS, TASKS, WORDS

_SLOT = re.compile(r"{([a-z]+)(\d*)}")


@dataclass(frozen=True)
class BaseText:
    """A request whose parts are known; one that was given as plain text has a single part and no slots."""

    #: frames with slots, marked for particles: opener (maybe), main request, closers
    parts: tuple[str, ...]
    #: which part is the main request
    main: int
    slots: Mapping[str, str]
    style: str
    #: written by its frames at the level `POLITE`; a given text has the level it has
    given: bool = False

    @property
    def marked(self) -> str:
        """The polite text with its marks."""
        return " ".join(self.filled(part) for part in self.parts)

    @property
    def text(self) -> str:
        """The text as it is read."""
        return self.finished(self.marked)

    def filled(self, part: str) -> str:
        """A part with its words."""
        return part if self.given else _SLOT.sub(lambda slot: self.slots[slot[1] + slot[2]], part)

    def finished(self, text: str) -> str:
        """A marked polite text as it is read at this text's level of speech."""
        return text if self.given else styled(resolved(text), self.style)

    def main_slots(self) -> list[str]:
        """The slots of the main request, in their order."""
        return list(dict.fromkeys(slot[1] + slot[2] for slot in _SLOT.finditer(self.parts[self.main])))

    def with_slots(self, changes: Mapping[str, str]) -> BaseText:
        """The same request about something else."""
        return replace(self, slots={**self.slots, **changes})


def kind_of(slot: str) -> str:
    """The kind of a slot's words: "food" of "food2"."""
    return slot.rstrip("0123456789")


def given_text(text: str) -> BaseText:
    """A text that was not made here."""
    return BaseText(tuple(sentences_of(text)), 0, {}, POLITE, given=True)


def drawn_words(draw: random.Random, slots: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A word for each slot, no word twice and none of the taken ones."""
    words: dict[str, str] = {}
    used = set(taken)
    for slot in slots:
        words[slot] = draw.choice([word for word in WORDS[kind_of(slot)] if word not in used])
        used.add(words[slot])
    return words


def composed_texts(seed: int) -> Iterator[BaseText]:
    """Endless distinct requests.

    Any two of one frame differ in a word of the main request and in one part more: another word, the
    opener, or the last closer.
    """
    seen: defaultdict[int, set[tuple[str, ...]]] = defaultdict(set)
    for number in range(10**9):
        draw = random.Random(f"{seed}:{number}")
        frame = draw.randrange(len(MAINS))
        base = _composed(draw, frame)
        words = tuple(base.slots[slot] for slot in base.main_slots())
        values = (*words, base.parts[0], base.parts[-1])
        # Two texts that differ in one part alone are equal once that part is left out of both.
        signatures = {(str(place), *values[:place], *values[place + 1 :]) for place in range(len(values))}
        signatures.add(("words", *words))
        if not seen[frame] & signatures:
            seen[frame] |= signatures
            yield base


def about_material(draw: random.Random) -> BaseText:
    """A short request about a text of six to nine statements, which stands behind it."""
    parts = (draw.choice(TASKS), *_numbered(draw.sample(MATERIALS, draw.randint(6, 9)), 7))
    slots = [slot[1] + slot[2] for part in parts for slot in _SLOT.finditer(part)]
    words = drawn_words(draw, dict.fromkeys(slots))
    return BaseText(tuple(map(marked, parts)), 0, words, draw.choice(STYLES))


def _composed(draw: random.Random, frame: int) -> BaseText:
    opener = [draw.choice(OPENERS)] if draw.random() < 0.45 else []
    closers = draw.sample(CLOSERS, draw.choices((0, 1, 2), (3, 4, 3))[0])
    parts = [*_numbered(opener, 7), MAINS[frame], *_numbered(closers, 8)]
    slots = [slot[1] + slot[2] for part in parts for slot in _SLOT.finditer(part)]
    style = draw.choices(STYLES, (50, 10, 15, 7, 7, 4, 7))[0]
    return BaseText(
        parts=tuple(rephrased(marked(part), draw) for part in parts),
        main=len(opener),
        slots=drawn_words(draw, dict.fromkeys(slots)),
        style=style,
    )


def _numbered(parts: Sequence[str], first: int) -> list[str]:
    """Openers and closers with slots of their own names."""
    return [_SLOT.sub(rf"{{\g<1>{first + n}}}", part) for n, part in enumerate(parts)]
