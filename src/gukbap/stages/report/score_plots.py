"""Plots of scores: by category, as a radar, and overall with intervals.

Every row has a marker and a line style besides its colour, so that nothing is lost in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.schemas import CATEGORIES, SUBJECTS
from gukbap.stages.report.drawing import BASE, INK, LINE, OTHERS, TUNED, draw_svg
from gukbap.stages.report.tables import category_label
from gukbap.stages.scores import ScoreRow, ScoreTable


@dataclass(frozen=True)
class _Look:
    colour: str
    marker: str
    #: as matplotlib names or spells line styles
    line: str | tuple[int, tuple[int, int]]


_LOOKS = {"base": _Look(BASE, "o", "--"), "tuned": _Look(TUNED, "D", "-")}
_OTHER_LOOKS = [
    _Look(OTHERS[0], "s", ":"),
    _Look(OTHERS[1], "^", "-."),
    _Look(OTHERS[2], "v", (0, (6, 1))),
]
#: baselines that a radar has room for
MOST_OTHERS = len(_OTHER_LOOKS)


def radar_rows(rows: Sequence[ScoreRow], strategy: str) -> list[ScoreRow]:
    """What the radar shows of one strategy: base, tuned and the first three others, all categories scored."""
    whole = [
        row
        for row in rows
        if row.strategy == strategy and all(row.categories.get(name) is not None for name in CATEGORIES)
    ]
    own = [row for row in whole if row.subject in SUBJECTS]
    return own + [row for row in whole if row.subject not in SUBJECTS][:MOST_OTHERS]


def radar_svg(rows: Sequence[ScoreRow]) -> str:
    """The six categories of some rows (radar_rows), 0 in the middle and 10 at the rim."""
    angles = [2 * math.pi * index / len(CATEGORIES) for index in range(len(CATEGORIES))]

    def draw(axes: Any) -> None:
        axes.set_theta_offset(math.pi / 2)
        axes.set_theta_direction(-1)
        looks = iter(_OTHER_LOOKS)
        for row in rows:
            look = _LOOKS.get(row.subject) or next(looks)
            values = [row.categories[category] for category in CATEGORIES]
            axes.plot(
                [*angles, angles[0]],
                [*values, values[0]],
                color=look.colour,
                linestyle=look.line,
                marker=look.marker,
                markersize=5,
                markerfacecolor="none" if look.marker == "o" else look.colour,
                linewidth=1.5,
                label=row.subject,
                clip_on=False,
            )
        axes.set_xticks(angles, [category_label(category) for category in CATEGORIES])
        axes.set_ylim(0, 10)
        axes.set_yticks([2, 4, 6, 8, 10])
        axes.set_rlabel_position(180 / len(CATEGORIES))  # between two categories' rays
        axes.spines["polar"].set_color(LINE)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=1)

    return draw_svg("radar", 4.0, 4.6 + 0.25 * len(rows), draw, polar=True)


def forest_svg(rows: Sequence[ScoreRow]) -> str:
    """Overall of some rows, which all have one, as points, with their 95 % intervals as lines."""

    def draw(axes: Any) -> None:
        for place, row in enumerate(rows):
            look = _LOOKS.get(row.subject, _Look(INK, "s", "-"))
            if row.interval:
                axes.plot(
                    [row.interval.low, row.interval.high], [place, place], color=look.colour, linewidth=1.6
                )
            axes.plot(
                [row.overall],
                [place],
                color=look.colour,
                marker=look.marker,
                markersize=6,
                markerfacecolor="none" if look.marker == "o" else look.colour,
                markeredgewidth=1.4,
                linestyle="none",
                clip_on=False,
            )
        axes.set_yticks(range(len(rows)), [f"{row.subject} {row.strategy}" for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-0.3, 10.3)
        axes.set_xlabel("overall, 0–10")
        axes.tick_params(length=0)
        axes.grid(visible=True, axis="x")

    return draw_svg("forest", 6.4, 0.9 + 0.28 * len(rows), draw)


def scores_svg(table: ScoreTable, strategy: str) -> str:
    """Base and tuned by category under one strategy; overall with its interval."""
    labels = [*map(category_label, CATEGORIES), "overall"]

    def draw(axes: Any) -> None:
        axes.axhspan(len(CATEGORIES) - 0.5, len(CATEGORIES) + 0.5, color=LINE, alpha=0.25, linewidth=0)
        for subject, colour, shift in (("base", BASE, 0.14), ("tuned", TUNED, -0.14)):
            row = next((r for r in table.rows if (r.subject, r.strategy) == (subject, strategy)), None)
            if row is not None:
                _draw_row(axes, row, colour, shift)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.set_xlim(-0.3, 10.3)
        axes.set_xlabel("score, 0–10")
        axes.tick_params(length=0)
        axes.grid(visible=True, axis="x")
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    return draw_svg(f"scores-{strategy}", 3.1, 3.0, draw)


def _draw_row(axes: Any, row: ScoreRow, colour: str, shift: float) -> None:
    values = [row.categories.get(category) for category in CATEGORIES] + [row.overall]
    places = [(value, index + shift) for index, value in enumerate(values) if value is not None]
    hollow = row.subject == "base"
    axes.plot(
        [value for value, _ in places],
        [place for _, place in places],
        linestyle="none",
        marker="o" if hollow else "D",
        markersize=6 if hollow else 5,
        color=colour,
        markerfacecolor="none" if hollow else colour,
        markeredgewidth=1.4,
        label=row.subject,
        clip_on=False,
    )
    if row.interval:
        place = len(CATEGORIES) + shift
        axes.plot([row.interval.low, row.interval.high], [place, place], color=colour, linewidth=1.6)


def judged_strategies(table: ScoreTable) -> list[str]:
    """The strategies under which base or tuned was judged, in the order of the rows."""
    return list(dict.fromkeys(row.strategy for row in table.rows if row.subject in SUBJECTS))
