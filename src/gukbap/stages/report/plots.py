"""Plots as inline SVG that follows the page's colours and fonts.

Text stays text, so the reader's own fonts draw Korean. Equal data give equal bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from gukbap.schemas import CATEGORIES, STRATEGIES, Strategy
from gukbap.stages.report.funnel import FunnelStep
from gukbap.stages.report.history import Series
from gukbap.stages.report.tables import category_label
from gukbap.stages.scores import ScoreRow, ScoreTable

# Stand-ins that the page's own colours replace; the named colours are in report.html.j2.
_INK, _LINE, _BASE, _TUNED, _DROPPED = "#010101", "#020202", "#030303", "#040404", "#050505"
_CSS = {
    _INK: "var(--ink)",
    _LINE: "var(--line)",
    _BASE: "var(--base)",
    _TUNED: "var(--tuned)",
    _DROPPED: "var(--dropped)",
}
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gukbap",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), _INK),
    "axes.edgecolor": _LINE,
    "grid.color": _LINE,
    "grid.linewidth": 0.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def loss_svg(series: Sequence[Series]) -> str:
    """Training and validation loss over steps."""

    def draw(axes: Any) -> None:
        for one in series:
            colour = _BASE if one.validation else _TUNED
            style = {"marker": "o" if not one.secondary else "s", "linestyle": "--"} if one.validation else {}
            axes.plot(
                one.steps,
                one.values,
                color=colour,
                label=one.label,
                alpha=0.6 if one.secondary else 1.0,
                linewidth=1.4,
                **style,
            )
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss (nats a token)")
        axes.grid(visible=True)
        axes.legend()

    return _svg("loss", 5.2, 3.0, draw)


def scores_svg(table: ScoreTable, strategy: Strategy) -> str:
    """Base and tuned by category under one strategy; overall with its interval."""
    labels = [*map(category_label, CATEGORIES), "overall"]

    def draw(axes: Any) -> None:
        axes.axhspan(len(CATEGORIES) - 0.5, len(CATEGORIES) + 0.5, color=_LINE, alpha=0.25, linewidth=0)
        for subject, colour, shift in (("base", _BASE, 0.14), ("tuned", _TUNED, -0.14)):
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

    return _svg(f"scores-{strategy}", 3.1, 3.0, draw)


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


def funnel_svg(steps: Sequence[FunnelStep]) -> str:
    """What each stage kept and dropped, as bars of rows."""

    def draw(axes: Any) -> None:
        places = range(len(steps))
        kept, dropped = [step.kept for step in steps], [step.dropped_total for step in steps]
        axes.barh(places, kept, height=0.55, color=_TUNED, label="kept")
        axes.barh(places, dropped, left=kept, height=0.55, color=_DROPPED, hatch="///", label="dropped")
        for place, (stays, goes) in enumerate(zip(kept, dropped, strict=True)):
            axes.annotate(
                f"{stays} kept, {goes} dropped",
                (stays + goes, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
            )
        widest = max((a + b for a, b in zip(kept, dropped, strict=True)), default=1)
        axes.set_xlim(0, max(widest, 1) * 1.45)
        axes.set_yticks(places, [step.stage for step in steps])
        axes.invert_yaxis()
        axes.set_xlabel("rows")
        axes.tick_params(length=0)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)

    return _svg("funnel", 5.2, 1.2 + 0.45 * len(steps), draw)


def judged_strategies(table: ScoreTable) -> list[Strategy]:
    """The strategies that have a row, in LogicKor's order."""
    return [strategy for strategy in STRATEGIES if any(row.strategy == strategy for row in table.rows)]


def _svg(name: str, width: float, height: float, draw: Callable[[Any], None]) -> str:
    """One plot as an SVG element; width and height in inches give its proportions."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # a user's own matplotlibrc does not change a report
        mpl.rcParams.update(_SETTINGS)
        # matplotlib measures with a font of its own; the browser draws with one that has Hangul.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from", category=UserWarning)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.subplots())
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return _inline(name, buffer.getvalue())


def _inline(name: str, document: str) -> str:
    """An SVG document as an element of a page: its own ids, the page's colours, any width."""
    svg = document[document.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'^(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'^(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    for stand_in, css in _CSS.items():
        svg = svg.replace(stand_in, css)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)
