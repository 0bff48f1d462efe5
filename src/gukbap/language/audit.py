"""The verdict on one answer, and the figures that it rests on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from gukbap.korean import compose_jamo
from gukbap.language.prose import layers, prose, sentences, visible
from gukbap.language.request import requested_scripts
from gukbap.language.scripts import HANGUL, LATIN, SCRIPTS, Script, foreign_letters

Verdict = Literal["korean", "foreign", "exempt", "empty"]

# An answer is Korean when at least this share of its counted Hangul and Latin letters is Hangul. A Korean
# syllable says about as much as two Latin letters, so half Korean and half English by content is a third.
LEAST_HANGUL_SHARE: Final = 0.35
# Sentences in Chinese, Japanese or another script inside a Korean answer break the rule above this share
# of all counted letters, unless they are fewer letters than a clause has.
MOST_FOREIGN_SHARE: Final = 0.05
LEAST_FOREIGN_LETTERS: Final = 8
# A sentence is Korean when this share of its words holds Hangul; Latin words in it are names and terms.
_KOREAN_WORDS = 0.4
# Fewer words than this, or fewer in lower case, are a name, a title or a label and no sentence.
_PROSE_WORDS = 3
_PROSE_LOWER = 2
# A line with an equals sign or an arrow is a formula unless it has this many words in lower case.
_FORMULA_LOWER = 5

_WORD = re.compile(r"\w+")
_RELATION = re.compile("[=≈≤≥→⇒∝]")


@dataclass(frozen=True)
class LanguageAudit:
    """What language an answer is in, and whether that keeps to the benchmark's rule.

    Attributes:
        verdict: `korean`; `foreign`, which breaks the rule; `exempt` where nothing can be told against the
            answer: the question asks for another language, or the answer is only code, formulas, numbers or
            names; `empty`, without a visible character.
        hangul_share: share of Hangul in the counted letters, 0–1; 1 where none counts.
        shares: share of each script in the counted letters, 0–1; all 0 where none counts. Code, formulas,
            addresses, quotations, brackets, and names and terms inside Korean sentences do not count.
        letters: how many letters count.
        reason: one line that says why.
    """

    verdict: Verdict
    hangul_share: float
    shares: dict[Script, float]
    letters: int
    reason: str

    @property
    def complies(self) -> bool:
        """Whether nothing in the answer breaks the language rule."""
        return self.verdict != "foreign"


def audit(question: str, answer: str) -> LanguageAudit:
    """Audits one answer to one question (of a conversation: the last question and the answer to it).

    The time is linear in the length of both. Any text is accepted.
    """
    text = visible(compose_jamo(answer))
    if not text.strip():
        return _verdict("empty", _nothing(), "the answer is empty")
    counts = _count(text)
    total = sum(counts.values())
    if not total:
        return _verdict("exempt", counts, "nothing but code, formulas, numbers or names")
    asked = requested_scripts(question)
    violation = _violation({script: 0 if script in asked else counts[script] for script in SCRIPTS}, total)
    if violation:
        return _verdict("foreign", counts, violation)
    if asked:
        return _verdict("exempt", counts, "the question asks for another language")
    return _verdict("korean", counts, f"{counts['hangul'] / total:.0%} of the counted letters are Hangul")


def _violation(counts: dict[Script, int], total: int) -> str | None:
    """What breaks the rule, if anything does: letters of scripts that were not asked for, out of `total`."""
    hangul, latin = counts["hangul"], counts["latin"]
    if latin and hangul < LEAST_HANGUL_SHARE * (hangul + latin):
        return f"only {hangul / (hangul + latin):.0%} of the counted letters are Hangul, the rest is Latin"
    for script in SCRIPTS[2:]:
        if counts[script] > total / 2:
            return f"{counts[script] / total:.0%} of the counted letters are {_NAMES[script]}"
    foreign = sum(counts[script] for script in SCRIPTS[2:])
    if foreign >= LEAST_FOREIGN_LETTERS and foreign > MOST_FOREIGN_SHARE * total:
        named = " and ".join(_NAMES[script] for script in SCRIPTS[2:] if counts[script])
        return f"{foreign} letters ({foreign / total:.0%}) are {named}, in whole words or sentences"
    return None


_NAMES: Final[dict[Script, str]] = {
    "hangul": "Hangul",
    "latin": "Latin",
    "han": "Chinese characters",
    "kana": "Japanese kana",
    "cyrillic": "Cyrillic",
    "other": "of another script",
}


def _verdict(verdict: Verdict, counts: dict[Script, int], reason: str) -> LanguageAudit:
    total = sum(counts.values())
    shares: dict[Script, float] = {script: counts[script] / total if total else 0.0 for script in SCRIPTS}
    return LanguageAudit(verdict, shares["hangul"] if total else 1.0, shares, total, reason)


def _nothing() -> dict[Script, int]:
    return dict.fromkeys(SCRIPTS, 0)


def _count(text: str) -> dict[Script, int]:
    """Counted letters by script: of the prose, else of what is quoted, else of what fences hold."""
    parts = layers(text)
    for candidate, strict in ((parts.text, True), (parts.text, False), (parts.fenced, False)):
        counts = _letters(prose(candidate, strict=strict))
        if any(counts.values()):
            return counts
    return _nothing()


def _letters(text: str) -> dict[Script, int]:
    """Letters of the sentences of a prose, without names and terms."""
    counts = _nothing()
    for sentence in sentences(text):
        hangul = bool(HANGUL.search(sentence))
        if hangul:
            counts["hangul"] += len(HANGUL.findall(sentence))
        if LATIN.search(sentence) and _is_latin_prose(sentence):
            counts["latin"] += len(LATIN.findall(sentence))
        if not sentence.isascii():
            for script, letters in foreign_letters(sentence).items():
                counts[script] += letters
    return counts


def _is_latin_prose(sentence: str) -> bool:
    """Whether the Latin words of a sentence make a sentence, and are no names or terms in a Korean one."""
    korean = latin = lower = 0
    for word in _WORD.findall(sentence):
        if HANGUL.search(word):
            korean += 1
        elif len(word) > 1 and word.isalpha() and LATIN.search(word):
            latin += 1
            lower += word.islower()
    if korean >= _KOREAN_WORDS * (korean + latin):
        return False
    if _RELATION.search(sentence) and lower < _FORMULA_LOWER:
        return False
    return latin >= _PROSE_WORDS and lower >= _PROSE_LOWER
