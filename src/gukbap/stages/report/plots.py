"""Plots of training and data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gukbap.stages.report.drawing import BASE, DROPPED, TUNED, draw_svg
from gukbap.stages.report.funnel import FunnelStep
from gukbap.stages.report.history import Series


def loss_svg(series: Sequence[Series]) -> str:
    """Training and validation loss over steps."""

    def draw(axes: Any) -> None:
        for one in series:
            colour = BASE if one.validation else TUNED
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

    return draw_svg("loss", 5.2, 3.0, draw)


def funnel_svg(steps: Sequence[FunnelStep]) -> str:
    """What each stage kept and dropped, as bars of rows."""

    def draw(axes: Any) -> None:
        places = range(len(steps))
        kept, dropped = [step.kept for step in steps], [step.dropped_total for step in steps]
        axes.barh(places, kept, height=0.55, color=TUNED, label="kept")
        axes.barh(places, dropped, left=kept, height=0.55, color=DROPPED, hatch="///", label="dropped")
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

    return draw_svg("funnel", 5.2, 1.2 + 0.45 * len(steps), draw)
