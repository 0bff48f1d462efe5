"""What a judge's reply says: a score, or why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass

NO_SCORE = "no score in the reply"
OUT_OF_RANGE = "score out of range"

_SCORE = re.compile(r"점수:\s*(\d+(?:\.\d+)?)")
_COMMENT = re.compile(r"평가:(.*?)(?=점수:|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Verdict:
    """A score of 0–10 with the judge's comment, or no score and the reason."""

    score: float | None
    comment: str
    unscored_reason: str | None = None


def parse_verdict(reply: str) -> Verdict:
    """Read a reply as LogicKor does: without asterisks, the first number after 점수:.

    Unlike there, a score outside 0–10 and a missing one are no score.
    """
    plain = reply.replace("*", "")
    found = _COMMENT.search(plain)
    comment = (found.group(1) if found else plain).strip()
    match = _SCORE.search(plain)
    if match is None:
        return Verdict(None, comment, NO_SCORE)
    score = float(match.group(1))
    return Verdict(score, comment) if score <= 10 else Verdict(None, comment, OUT_OF_RANGE)
