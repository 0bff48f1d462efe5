"""Scores as rows of text, for the page, for Markdown and for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from gukbap.schemas import CATEGORIES
from gukbap.stages.scores import Comparison, Interval, ScoreRow, ScoreTable

MISSING = "–"
_CANNOT_TELL = "chance could explain that, so this run cannot tell which is better"


@dataclass(frozen=True)
class TextTable:
    """A table of text: the first two columns are names, the others are numbers."""

    header: list[str]
    rows: list[list[str]]


def category_label(category: str) -> str:
    """A category's Korean name: 추론 for 추론(Reasoning)."""
    return category.split("(")[0]


def points(value: float | None) -> str:
    """A score with two decimals; a dash where nothing was scored."""
    return MISSING if value is None else f"{value:.2f}"


def signed(value: float | None) -> str:
    """A difference with its sign."""
    return MISSING if value is None else f"{value:+.2f}"


def percent(share: float | None) -> str:
    """A share as whole per cent; only a full share is written 100 %, and a dash where it is not known."""
    if share is None:
        return MISSING
    return f"{min(round(100 * share), 100 if share >= 1 else 99)}%"


def interval_text(interval: Interval | None, *, sign: bool = False) -> str:
    """`[low, high]`; a dash where there is none."""
    if interval is None:
        return MISSING
    show = signed if sign else points
    return f"[{show(interval.low)}, {show(interval.high)}]"


def score_rows(table: ScoreTable) -> TextTable:
    """The score table: a row for each subject and strategy."""
    header = [
        *("subject", "strategy", *map(category_label, CATEGORIES), "single", "multi", "overall"),
        *("95% interval", "n", "scored", "stopped", "language"),
    ]
    return TextTable(header, [_score_row(row) for row in table.rows])


def marked(table: TextTable, baselines: ScoreTable) -> TextTable:
    """The rows of a table of baselines with their judge beside each name."""
    judges = [row.judge for row in baselines.rows]
    return TextTable(
        table.header,
        [[f"{row[0]} ({imported(judge)})", *row[1:]] for row, judge in zip(table.rows, judges, strict=True)],
    )


def imported(judge: str) -> str:
    """What is said beside a row whose judgements come from elsewhere."""
    return f"imported; judge {judge}"


def _score_row(row: ScoreRow) -> list[str]:
    whole = row.questions == row.asked
    return [
        row.subject,
        row.strategy,
        *(points(row.categories.get(category)) for category in CATEGORIES),
        points(row.single),
        points(row.multi),
        points(row.overall),
        interval_text(row.interval),
        str(row.questions) if whole else f"{row.questions} of {row.asked}",
        f"{row.scored}/{row.judgements}",
        percent(row.stopped_share),
        percent(row.language_compliance),
    ]


def interval_rows(table: ScoreTable) -> TextTable:
    """The 95 % interval of every cell of the score table."""
    columns = [*CATEGORIES, "single", "multi"]
    return TextTable(
        ["subject", "strategy", *map(category_label, columns), "overall"],
        [
            [
                row.subject,
                row.strategy,
                *(interval_text(row.intervals.get(column)) for column in columns),
                interval_text(row.interval),
            ]
            for row in table.rows
        ],
    )


def spread_sentences(table: ScoreTable) -> list[str]:
    """Where the uncertainty of each overall score comes from, as far as turns were judged several times."""
    return [
        f"{row.subject} {row.strategy}: the standard error of overall is {row.spread.questions:.2f} from the "
        f"choice of questions and {row.spread.judge:.2f} from the judge's wavering."
        for row in table.rows
        if row.spread is not None and row.spread.judge is not None
    ]


def p_value(p: float | None) -> str:
    """`p = 0.021`; a p-value is never shown as zero."""
    if p is None:
        return "p not known"
    return f"p = {p:.3f}" if p >= 0.0005 else "p < 0.001"


def difference_sentence(difference: Comparison, a: str = "tuned", b: str = "base") -> str:
    """What a paired difference of A and B says, in words."""
    if difference.difference is None:
        return f"{difference.strategy}: no question is scored for both {a} and {b}: nothing can be compared."
    what = (
        f"{difference.strategy}: {a} minus {b} is {signed(difference.difference)} "
        f"{interval_text(difference.interval, sign=True)} over {difference.questions} questions"
    )
    if difference.interval is None:
        return f"{what}; too few for an interval."
    shown = f"{what}, permutation {p_value(difference.permutation_p)}"
    told = _CANNOT_TELL if difference.verdict == "cannot tell" else f"{a} is {difference.verdict}"
    return f"{shown}: {told}."


def category_sentence(difference: Comparison) -> str | None:
    """The paired difference in each category, with verdicts that allow for looking at all of them."""
    told = [
        f"{category_label(category)} {signed(one.difference)} ({one.verdict})"
        for category, one in difference.categories.items()
        if one.difference is not None
    ]
    if not told:
        return None
    return f"{difference.strategy}, by category and corrected for {len(told)} looks: {', '.join(told)}."


def text_table(table: ScoreTable) -> str:
    """The score table for a terminal: aligned columns, Korean letters two columns wide."""
    content = score_rows(table)
    return aligned(content.header, content.rows)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain columns under their header: two of names, then numbers set to the right."""
    lines = [header, *rows]
    widths = [max(display_width(line[column]) for line in lines) for column in range(len(header))]
    return "\n".join(
        "  ".join(
            _padded(cell, width, right=column >= 2)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def display_width(text: str) -> int:
    """Columns that a terminal gives a text: wide and full-width characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - display_width(text))
    return space + text if right else text + space
