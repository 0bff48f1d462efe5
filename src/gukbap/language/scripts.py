"""Letters by script: which run of a text is written in what."""

from __future__ import annotations

import re
from typing import Final, Literal, get_args

from gukbap.korean import HANGUL_RANGES

Script = Literal["hangul", "latin", "han", "kana", "cyrillic", "other"]
SCRIPTS: Final[tuple[Script, ...]] = get_args(Script)

_LATIN = "A-Za-zªºÀ-ÖØ-öø-ʯḀ-ỿＡ-Ｚａ-ｚ"
_HAN = "々〇㐀-䶿一-鿿豈-﫿\U00020000-\U000323af"
_KANA = "ぁ-ゖゝ-ゟァ-ヺー-ヿㇰ-ㇿｦ-ﾟ"
_CYRILLIC = "Ѐ-ӿԀ-ԯᲀ-ᲈⷠ-ⷿꙀ-ꚟ"
# Signs that Unicode calls letters and formulas are made of: ℓ, ℝ, ℵ, 𝑥, 𝔸, superscript and subscript letters.
_SIGNS = "ʰ-˿ᴀ-ᶿⁱⁿₐ-ₜ℀-⅏\U0001d400-\U0001d7ff"

HANGUL: Final = re.compile(f"[{HANGUL_RANGES}]")
LATIN: Final = re.compile(f"[{_LATIN}]")
# A run of one script; the last branch takes the letters that no other one names.
_RUN = re.compile(
    f"(?P<hangul>[{HANGUL_RANGES}]+)|(?P<latin>[{_LATIN}]+)|(?P<han>[{_HAN}]+)|(?P<kana>[{_KANA}]+)"
    f"|(?P<cyrillic>[{_CYRILLIC}]+)|[{_SIGNS}]+|(?P<other>[^\\W\\d_])"
)
# Any letter of another script than these two; most sentences have none, and are done with.
_FOREIGN = re.compile(f"(?![{HANGUL_RANGES}{_LATIN}])[^\\W\\d_]")
# A slip of the tokenizer inside a Korean word (the loan word half in Cyrillic, two Chinese characters under
# a Korean particle) is a spelling mistake; longer runs are a phrase in another language.
SLIP_LETTERS: Final = 6
_WORD = re.compile(r"[^\W\d_]+")
# The groups of _RUN bear the names of the scripts.
_BY_GROUP: dict[str, Script] = {script: script for script in SCRIPTS}


def letters_by_script(text: str) -> dict[Script, int]:
    """Letters of each script in a text; signs of formulas are no letters."""
    counts: dict[Script, int] = dict.fromkeys(SCRIPTS, 0)
    for run in _RUN.finditer(text):
        if run.lastgroup:
            counts[_BY_GROUP[run.lastgroup]] += run.end() - run.start()
    return counts


def foreign_letters(text: str) -> dict[Script, int]:
    """Letters that are neither Hangul nor Latin, by script, without slips inside Korean words.

    Single letters are left out too: they name variables and list items.
    """
    counts: dict[Script, int] = dict.fromkeys(SCRIPTS, 0)
    if not _FOREIGN.search(text):
        return counts
    for word in _WORD.finditer(text):
        if word[0].isascii():
            continue
        inside = letters_by_script(word[0])
        foreign = sum(inside[script] for script in SCRIPTS if script not in ("hangul", "latin"))
        mixed = inside["hangul"] + inside["latin"] > 0
        if foreign < 2 or (mixed and foreign <= SLIP_LETTERS):
            continue
        for script in SCRIPTS:
            if script not in ("hangul", "latin"):
                counts[script] += inside[script]
    return counts
