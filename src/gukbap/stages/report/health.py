"""A report with what changed since the last run."""

from __future__ import annotations

from gukbap.stages.health import Health
from gukbap.stages.report.markup import at_the_end, rendered


def with_health(html: str, markdown: str, health: Health) -> tuple[str, str]:
    """A report's page and its Markdown, each with a section on step changes at its end.

    Args:
        html: the page as the report stage writes it.
        markdown: the same as text.
        health: this run beside the last one.
    """
    values = {"health": health}
    page = at_the_end(html, rendered("_health.html", values))
    return page, f"{markdown.rstrip()}\n{rendered('_health.md', values)}"
