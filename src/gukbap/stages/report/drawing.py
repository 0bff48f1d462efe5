"""Drawing as inline SVG that follows the page's colours and fonts.

Text stays text, so the reader's own fonts draw Korean. Equal data give equal bytes.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import Any

# Stand-ins that the page's own colours replace; the named colours are in _style.css.
INK, LINE, BASE, TUNED, DROPPED = "#010101", "#020202", "#030303", "#040404", "#050505"
OTHERS = ("#060606", "#070707", "#080808")
_CSS = {
    INK: "var(--ink)",
    LINE: "var(--line)",
    BASE: "var(--base)",
    TUNED: "var(--tuned)",
    DROPPED: "var(--dropped)",
    **{colour: f"var(--other-{number})" for number, colour in enumerate(OTHERS, start=1)},
}
_SETTINGS = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gukbap",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("text.color", "axes.labelcolor", "xtick.color", "ytick.color"), INK),
    "axes.edgecolor": LINE,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.frameon": False,
}


def draw_svg(
    name: str, width: float, height: float, draw: Callable[[Any], None], *, polar: bool = False
) -> str:
    """One plot as an SVG element.

    Args:
        name: what its ids begin with; each plot of a page has its own.
        width: inches, which with `height` give the proportions.
        height: inches.
        draw: draws into the matplotlib axes that it is given.
        polar: whether these are polar.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
    """
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
        draw(figure.subplots(subplot_kw={"projection": "polar"} if polar else None))
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
