"""The clean stage: leaks first, then the filters in their order; a row's first reason counts."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gukbap.config import CleanSettings
from gukbap.errors import InputError
from gukbap.ports import Progress
from gukbap.schemas import EvaluationText, Excluded, Leak, Row
from gukbap.spool import Chosen, Spool
from gukbap.stages.clean.filters import Check, TokenCounter, build_filters, mended
from gukbap.stages.clean.leaks import Decontaminator

LEAK = "leak"
_SHOWN = 20


@dataclass(frozen=True)
class CleanResult:
    """Rows that stay and rows that went, both in the order in which they came; counts."""

    kept: Sequence[Row]
    excluded: Sequence[Excluded]
    statistics: dict[str, Any]


def clean(
    settings: CleanSettings,
    rows: Sequence[Row],
    evaluation: Sequence[EvaluationText],
    progress: Progress,
    *,
    words: Sequence[str] = (),
    count_tokens: TokenCounter | None = None,
    folder: Path | None = None,
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
        folder: where what went lies until it is written elsewhere; the system's temporary one where None.

    Raises:
        InputError: no row is left.
    """
    filters = build_filters(settings.clean, words, count_tokens)
    detector = Decontaminator(evaluation, settings.clean.similarity)
    kept = array("Q")
    excluded: Spool[Excluded] = Spool(folder=folder)
    counts = _Counts()
    with progress.bar("clean", total=len(rows)) as bar:
        for place, (row, leak) in enumerate(zip(rows, detector.leaks(rows), strict=True)):
            found = _excluded(row, leak, filters)
            if found is None:
                kept.append(place)
            else:
                excluded.append(found)
                counts.take(found)
            bar.advance(1)
    if not kept:
        raise InputError(
            f"no row is left of {len(rows)} "
            f"({', '.join(f'{n} × {r}' for r, n in counts.reasons.most_common())})",
            expected="rows that hold no evaluation text and that the filters let pass",
            fix="look at the rows, and at the settings under `clean` (gukbap config schema)",
        )
    statistics = {
        "rows": len(rows),
        "kept": len(kept),
        "removed": len(excluded),
        **counts.statistics(),
        "filters": [reason for reason, _ in filters],
        "evaluation_texts": detector.texts,
        "evaluation_texts_too_short": detector.too_short,
    }
    return CleanResult(Chosen(rows, kept), excluded, statistics)


def _excluded(row: Row, leak: Leak | None, filters: Sequence[tuple[str, Check]]) -> Excluded | None:
    if leak is not None:
        return Excluded(row=mended(row), reason=LEAK, detail=leak.text_id, leak=leak)
    for reason, check in filters:
        if detail := check(row):
            return Excluded(row=mended(row), reason=reason, detail=detail)
    return None


class _Counts:
    """What went, counted."""

    def __init__(self) -> None:
        self.reasons: Counter[str] = Counter()
        self._categories: Counter[str] = Counter()
        self._measures: Counter[str] = Counter()
        self._texts: Counter[str] = Counter()

    def take(self, one: Excluded) -> None:
        """Count a row."""
        self.reasons[one.reason] += 1
        self._categories[one.row.category] += 1
        if one.leak is not None:
            self._measures[one.leak.measure] += 1
            self._texts[one.leak.text_id] += 1

    def statistics(self) -> dict[str, Any]:
        """The counts as JSON values."""
        most = sorted(self._texts.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
        return {
            "removed_by_reason": dict(sorted(self.reasons.items())),
            "removed_by_category": dict(sorted(self._categories.items())),
            "leaks": self._measures.total(),
            "leaks_by_measure": dict(sorted(self._measures.items())),
            "leaked_texts": dict(sorted(most)),
        }
