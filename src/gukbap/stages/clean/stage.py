"""The clean stage: leaks first, then the filters in their order; a row's first reason counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.config import CleanSettings
from gukbap.errors import InputError
from gukbap.ports import Progress
from gukbap.schemas import EvaluationText, Excluded, Leak, Row
from gukbap.stages.clean.filters import Check, TokenCounter, build_filters, mended
from gukbap.stages.clean.leaks import Decontaminator

LEAK = "leak"
_SHOWN = 20


@dataclass(frozen=True)
class CleanResult:
    """Rows that stay and rows that went, both in the order in which they came; counts."""

    kept: list[Row]
    excluded: list[Excluded]
    statistics: dict[str, Any]


def clean(
    settings: CleanSettings,
    rows: Sequence[Row],
    evaluation: Sequence[EvaluationText],
    progress: Progress,
    *,
    words: Sequence[str] = (),
    count_tokens: TokenCounter | None = None,
) -> CleanResult:
    """Take out rows that hold an evaluation text, and rows that a filter finds fault with.

    What becomes of a row depends on the row alone: neither on the others nor on their order.

    Args:
        settings: which filters are on, and the threshold of decontamination.
        rows: in any order.
        evaluation: texts that must not be in the data; none where decontamination is off.
        progress: where a bar over the rows is shown.
        words: toxic words.
        count_tokens: tokens of a text by the student's tokenizer.

    Raises:
        InputError: no row is left.
    """
    filters = build_filters(settings.clean, words, count_tokens)
    detector = Decontaminator(evaluation, settings.clean.similarity)
    kept: list[Row] = []
    excluded: list[Excluded] = []
    with progress.bar("clean", total=len(rows)) as bar:
        for row, leak in zip(rows, detector.leaks(rows), strict=True):
            found = _excluded(row, leak, filters)
            if found is None:
                kept.append(row)
            else:
                excluded.append(found)
            bar.advance(1)
    reasons = Counter(one.reason for one in excluded)
    if not kept:
        raise InputError(
            f"no row is left of {len(rows)} ({', '.join(f'{n} × {r}' for r, n in reasons.most_common())})",
            expected="rows that hold no evaluation text and that the filters let pass",
            fix="look at the rows, and at the settings under `clean` (gukbap config schema)",
        )
    return CleanResult(
        kept, excluded, _statistics(rows, excluded, detector, [reason for reason, _ in filters])
    )


def _excluded(row: Row, leak: Leak | None, filters: Sequence[tuple[str, Check]]) -> Excluded | None:
    if leak is not None:
        return Excluded(row=mended(row), reason=LEAK, detail=leak.text_id, leak=leak)
    for reason, check in filters:
        if detail := check(row):
            return Excluded(row=mended(row), reason=reason, detail=detail)
    return None


def _statistics(
    rows: Sequence[Row], excluded: Sequence[Excluded], detector: Decontaminator, filters: Sequence[str]
) -> dict[str, Any]:
    leaks = [one.leak for one in excluded if one.leak is not None]
    return {
        "rows": len(rows),
        "kept": len(rows) - len(excluded),
        "removed": len(excluded),
        "removed_by_reason": dict(sorted(Counter(one.reason for one in excluded).items())),
        "removed_by_category": dict(sorted(Counter(one.row.category for one in excluded).items())),
        "filters": list(filters),
        "leaks": len(leaks),
        "leaks_by_measure": dict(sorted(Counter(leak.measure for leak in leaks).items())),
        "leaked_texts": dict(sorted(Counter(leak.text_id for leak in leaks).most_common(_SHOWN))),
        "evaluation_texts": detector.texts,
        "evaluation_texts_too_short": detector.too_short,
    }
