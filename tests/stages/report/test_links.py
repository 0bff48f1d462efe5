"""Links in a copy of a report."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import resources

import pytest

from gukbap.errors import InputError
from gukbap.stages.report.links import with_links
from gukbap.stages.report.markup import _END

UNTIL = datetime(2026, 11, 26, 9, 30, tzinfo=UTC)


def test_every_report_has_the_place_for_links() -> None:
    template = resources.files("gukbap.stages.report").joinpath("templates", "report.html.j2")
    assert template.read_text(encoding="utf-8").endswith(_END)


def test_links_are_escaped_and_say_until_when_they_hold() -> None:
    page = with_links(f"<h1>x</h1>{_END}", {"a<b": 'http://s/a?x=1&y="2"'}, UNTIL)
    assert "2026-11-26 09:30 UTC" in page
    assert "a&lt;b" in page
    assert "http://s/a?x=1&amp;y=&#34;2&#34;" in page
    assert page.endswith(_END)


def test_another_page_is_refused() -> None:
    with pytest.raises(InputError, match="no report"):
        with_links("<html></html>", {}, UNTIL)
