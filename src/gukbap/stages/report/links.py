"""A report with links to the files of its run, for people without keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gukbap.stages.report.markup import at_the_end, rendered


def with_links(report: str, links: Mapping[str, str], until: datetime) -> str:
    """A report's HTML page with a section of links at its end.

    The links are secrets until they expire, so the copy with them is for those who may read the files; the
    stored report has none.

    Args:
        report: the page as the report stage writes it.
        links: name of a file → its URL.
        until: when the links expire.

    Raises:
        InputError: the page is none of this project's reports.
    """
    section = rendered("_files.html", {"links": links, "until": f"{until:%Y-%m-%d %H:%M} {until.tzname()}"})
    return at_the_end(report, section)
