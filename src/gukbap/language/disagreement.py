"""Where the judge's score and the language audit cannot both be right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

from gukbap.korean import compose_jamo
from gukbap.language.audit import LanguageAudit

# The rubric leaves no room: an answer in another language gets 0.
MOST_FOR_FOREIGN: Final = 0.0

_SENTENCE = re.compile(r"(?<=[.!?])\s|\n")
_LANGUAGE = re.compile("언어|한국어|한글|영어|영문|중국어|일본어|러시아어|외국어|외국 문자")
# Said of the answer's language: a requirement broken, not in Korean, or written in another language.
_BLAME = (
    re.compile("언어.{0,20}(?:위반|준수하지|충족하지|충족되지|지키지|무시|어긋|어겼|부합하지)"),
    re.compile("(?:한국어|한글)(?:로|가|만|으로).{0,20}(?:않|아닌|아니|못|위반)"),
    re.compile(
        "(?:영어|영문|중국어|일본어|러시아어|외국어)(?:로|으로).{0,20}(?:답변|작성|제공|응답|대답|서술|설명)"
    ),
)


class Scored(Protocol):
    """A judged answer, of any kind."""

    @property
    def score(self) -> float | None:
        """0–10, or None where the judge gave none."""

    @property
    def comment(self) -> str | None:
        """What the judge said."""


Judged = TypeVar("Judged", bound=Scored)


def blames_language(comment: str) -> bool:
    """Whether a Korean judge's comment finds fault with the language of the answer."""
    return any(
        pattern.search(sentence)
        for sentence in _SENTENCE.split(compose_jamo(comment))
        if _LANGUAGE.search(sentence)
        for pattern in _BLAME
    )


def disagreement(
    audit: LanguageAudit, score: float | None, comment: str | None, *, most: float = MOST_FOR_FOREIGN
) -> str | None:
    """Why score and audit disagree, in one line, or None where they do not.

    Args:
        score: 0–10, or None where the answer is unscored, which is no disagreement.
        most: the highest score that an answer in another language may have.
    """
    if score is None:
        return None
    if audit.verdict == "foreign" and score > most:
        return f"scored {score:g} although the answer is not Korean ({audit.reason}); the rubric demands 0"
    if audit.complies and audit.verdict != "empty" and score == 0 and blames_language(comment or ""):
        return f"scored 0 for its language, which keeps to the rule ({audit.reason})"
    return None


def disagreements(pairs: Iterable[tuple[Judged, LanguageAudit]]) -> list[tuple[Judged, str]]:
    """The judged answers whose score and audit disagree, each with the reason, in the order given."""
    reasons = ((judged, disagreement(audit, judged.score, judged.comment)) for judged, audit in pairs)
    return [(judged, reason) for judged, reason in reasons if reason is not None]
