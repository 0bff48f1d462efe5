"""A report with links to the files of its run, for people without keys."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from gukbap.errors import InputError
from gukbap.stages.report.markup import rendered

_END = "</main>\n</body>\n</html>\n"


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
    if not report.endswith(_END):
        raise InputError("this is no report of gukbap's", expected="report.html as a run writes it")
    section = rendered("_files.html", {"links": links, "until": f"{until:%Y-%m-%d %H:%M} {until.tzname()}"})
    return f"{report.removesuffix(_END)}{section}{_END}"
