"""What texts.toml holds: frames, words to fill them, and words that say the same or the opposite."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final

_TEXTS: Final[dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("texts.toml").read_text(encoding="utf-8")
)

MAINS: Final[tuple[str, ...]] = tuple(_TEXTS["mains"])
OPENERS: Final[tuple[str, ...]] = tuple(_TEXTS["openers"])
CLOSERS: Final[tuple[str, ...]] = tuple(_TEXTS["closers"])
TASKS: Final[tuple[str, ...]] = tuple(_TEXTS["tasks"])
MATERIALS: Final[tuple[str, ...]] = tuple(_TEXTS["materials"])
#: Kind → words. A slot is called after its kind, with a number where a frame has several of one kind.
WORDS: Final[dict[str, tuple[str, ...]]] = {
    kind: tuple(words.split("; ")) for kind, words in _TEXTS["words"].items()
}
SYNONYMS: Final[tuple[tuple[str, str], ...]] = tuple((one, other) for one, other in _TEXTS["synonyms"])
PHRASES: Final[tuple[tuple[str, str], ...]] = tuple((one, other) for one, other in _TEXTS["phrases"])
ANTONYMS: Final[tuple[tuple[str, str], ...]] = tuple((one, other) for one, other in _TEXTS["antonyms"])
#: Unit, another unit, and a pattern of what follows the first.
UNITS: Final[tuple[tuple[str, str, str], ...]] = tuple(
    (unit, other, behind) for unit, other, behind in _TEXTS["units"]
)
