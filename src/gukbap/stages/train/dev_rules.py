"""Rules that score an answer to a dev prompt, without a model.

They tell broken answers from sound ones, which is what checkpoints of one training differ in; whether an
answer is true or good is the judge's affair.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from statistics import fmean

from gukbap.korean import windows
from gukbap.language import audit
from gukbap.stages.generate.korean_signs import loops

#: An answer without these is worth nothing, whatever else it does well.
GATES = ("language", "clean", "original")
#: Each is a part of what is left.
PARTS = ("ended", "varied", "length")

#: An answer of which so much stands in the question is a copy, unless the reference answer is one, too.
COPIED = 0.8
#: Fewer letters say nothing of copying ("서울입니다").
LEAST_LETTERS = 10
#: A phrase of so many letters at most that comes four times without anything between; `loops` looks for
#: longer ones.
_LONGEST_PHRASE = 30
_CIRCLE = re.compile(rf"(.{{2,{_LONGEST_PHRASE}}}?)\1{{3,}}")
#: An answer's characters, as a multiple of the reference answer's.
SHORTEST, LONGEST = 0.25, 4.0
#: Characters, where there is no reference.
FEWEST = 5

#: Of chat templates and data formats; a message's ordinary text does not hold them.
_MARKERS = re.compile(
    r"\[/?INST\]|<<?/?SYS>>?|<\|[a-z_]+\|>|<(?:start|end)_of_turn>|</?s>|<(?:eos|bos|pad|unk)>|<unused\d+>"
    r"|\ufffd"  # bytes that are no text
    r"|^#{2,3} ?(?:Instruction|Response|Input|지시|응답|질문|답변)\s*:?\s*$"
    r"|^(?:user|assistant|model|system|USER|ASSISTANT|사용자|어시스턴트)\s*:?\s*$",
    re.MULTILINE,
)


def marks(
    question: str, answer: str, *, ended: bool, reference: str | None, special_tokens: Iterable[str] = ()
) -> dict[str, float]:
    """What each rule gives an answer, 0 or 1.

    - `language`: it says something, and keeps to Korean unless the question asks for another language.
    - `clean`: nothing of a chat template and no broken character stands in it, nor any of the tokenizer's
      `special_tokens`.
    - `original`: it is no copy of the question, and does not begin with one.
    - `ended`: the model ended it by itself.
    - `varied`: it does not go round in circles.
    - `length`: it is neither far shorter nor far longer than the `reference` answer.

    Args:
        answer: as it was decoded, special tokens included but for the one that ended it.
        reference: the row's own answer; None where there is none.
    """
    text = answer.strip()
    return {
        "language": float(any(map(str.isalnum, text)) and audit(question, text).complies),
        "clean": float(not (_MARKERS.search(text) or any(token in text for token in special_tokens))),
        "original": float(not _copies(question, text, reference)),
        "ended": float(ended),
        "varied": float(not _goes_in_circles(text)),
        "length": float(_fits(text, reference)),
    }


def score(given: dict[str, float]) -> float:
    """0-1: the mean of the parts, or 0 where a gate is closed."""
    return float(all(given[gate] for gate in GATES)) * fmean(given[part] for part in PARTS)


def _copies(question: str, answer: str, reference: str | None) -> bool:
    asked = _letters(question)

    def copied(text: str) -> bool:
        letters = _letters(text)
        if len(letters) < LEAST_LETTERS:
            return False
        begins = len(asked) >= LEAST_LETTERS and letters.startswith(asked)
        return begins or _share_in(text, question) >= COPIED

    # To correct or to shorten a sentence is to repeat most of it.
    return copied(answer) and not (reference is not None and copied(reference))


def _goes_in_circles(text: str) -> bool:
    if loops(text):
        return True
    # Digits alone are a number: 100,000,000.
    return any(any(map(str.isalpha, found[1])) for found in _CIRCLE.finditer(_letters(text)))


def _share_in(text: str, source: str) -> float:
    """Share of a text's letter trigrams that stand in a source."""
    mine, known = _trigrams(text), _trigrams(source)
    return len(mine & known) / len(mine) if mine else 0.0


def _trigrams(text: str) -> set[str]:
    letters = _letters(text)
    return set(windows(letters, 3))


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _fits(text: str, reference: str | None) -> bool:
    if reference is None:
        return len(text) >= FEWEST
    size = len(reference.strip())
    return SHORTEST * size <= len(text) <= LONGEST * size
