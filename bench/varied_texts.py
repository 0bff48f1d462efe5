"""Texts for benchmarks of near-dedup's speed: three tenths are variants of a recent one."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from bench.korean_rows import VARIANTS
from gukbap.config import GenerateConfig
from gukbap.stages.generate import load_seeds

PIECE_CHARS = 80
#: a text, and the number of what it is a form of
Text = tuple[str, int]


def _nfd(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _wide(text: str) -> str:
    return text.replace(" ", "\u3000").replace(".", "．").replace(",", "，")


def _reordered(text: str) -> str:
    sentences = text.split(". ")
    return ". ".join(sentences[1:] + sentences[:1])


FORMS: tuple[Callable[[str], str], ...] = (*VARIANTS, _nfd, _wide, _reordered)


def texts(count: int, seed: int, given: Sequence[str] = ()) -> Iterator[Text]:
    """Pieces of given texts, or else invented prose, with variants of recent ones among them."""
    draw = random.Random(seed)
    bases = _pieces(draw, given) if given else _prose(draw)
    recent: list[Text] = []
    for number in range(count):
        if recent and draw.random() < 0.3:
            text, family = draw.choice(recent)
            yield draw.choice(FORMS)(text), family
            continue
        if (base := next(bases, None)) is None:
            raise SystemExit(
                f"the given texts are enough for {number} of {count} rows; ask for fewer (--rows)"
            )
        recent = [*recent[-999:], (base, number)]
        yield base, number


def _pieces(draw: random.Random, given: Sequence[str]) -> Iterator[str]:
    """Texts cut into pieces that do not overlap, in any order."""
    starts = [
        (text, start) for text in given for start in range(0, len(text) - PIECE_CHARS // 2, PIECE_CHARS)
    ]
    draw.shuffle(starts)
    return (text[start : start + PIECE_CHARS] for text, start in starts)


def _prose(draw: random.Random) -> Iterator[str]:
    """Prose of the seeds' words and of made-up ones."""
    words = [word for one in load_seeds(GenerateConfig()) for word in one.instruction.split()]
    words = [word for word in words if word[-1].isalpha() and word[-1] not in "요다까오줘"]
    syllables = [word[0] for word in words if "가" <= word[:1] <= "힣"]
    while True:
        yield ". ".join(_sentence(draw, words, syllables) for _ in range(draw.randint(2, 4))) + "."


def _sentence(draw: random.Random, words: Sequence[str], syllables: Sequence[str]) -> str:
    drawn = draw.choices(words, k=draw.randint(5, 9))
    invented = ["".join(draw.choices(syllables, k=3)) + draw.choice(("에서", "에게", "와")) for _ in range(2)]
    return " ".join([*draw.sample([*drawn, *invented], len(drawn) + 2), draw.choice(("주세요", "습니다"))])
