"""Templates, and text that cannot leave its place in HTML or Markdown."""

from __future__ import annotations

import re
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from gukbap.errors import InputError
from gukbap.stages.report.tables import category_label, interval_text, percent, points, signed

_END = "</main>\n</body>\n</html>\n"
#: characters of a text by a model that are shown, and of one among many
_SHOWN_CHARS = 1500
_BRIEF_CHARS = 500
# What Markdown reads as more than text: an underscore inside a word and a bracket without a link are text.
_MARKS = re.compile(r"[\\|<>`*]|(?<!\w)_|_(?!\w)|\](?=[(\[:])")


def rendered(name: str, values: dict[str, Any]) -> str:
    """The template `<name>.j2` with its values; what goes into HTML is escaped."""
    environment = Environment(
        loader=PackageLoader("gukbap.stages.report"),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        points=points,
        signed=signed,
        percent=percent,
        interval=interval_text,
        label=category_label,
        shown=lambda text: _cut(text, _SHOWN_CHARS),
        brief=lambda text: _cut(text, _BRIEF_CHARS),
        fenced=fenced,
        cell=cell,
        code=code,
        number=number,
    )
    return environment.get_template(f"{name}.j2").render(values)


def at_the_end(report: str, section: str) -> str:
    """A report's HTML page with a further section.

    Raises:
        InputError: the page is none of this project's reports.
    """
    if not report.endswith(_END):
        raise InputError("this is no report of gukbap's", expected="report.html as a run writes it")
    return f"{report.removesuffix(_END)}{section}{_END}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} […]"


def number(value: float | None) -> str:
    """A number of any size in four digits; a dash where there is none."""
    return "–" if value is None else f"{value:.4g}"


def fenced(text: str, language: str = "text") -> str:
    """A Markdown code block that its content cannot leave."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def cell(text: str) -> str:
    """Text of one line, and for one cell of a table, in Markdown."""
    return _MARKS.sub(r"\\\g<0>", " ".join(str(text).split()))


def code(text: str) -> str:
    """Code of one line in Markdown, also inside a cell."""
    line = " ".join(str(text).split()).replace("|", "\\|")
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    fence = "`" * (longest + 1)
    return f"{fence} {line} {fence}" if longest else f"{fence}{line}{fence}"
