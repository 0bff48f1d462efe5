"""Write components/docs/NAME.md for every component out of its code, and their index.

python tools/component_docs.py           write the files
python tools/component_docs.py --check   exit 1 where a file is not what would be written
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import docstring_parser

from pipelines.gukbap_pipeline import COMPONENTS

FOLDER = Path(__file__).resolve().parent.parent / "components" / "docs"
_NOTE = "<!-- written by tools/component_docs.py; change the component and run `make docs` -->"


def pages() -> dict[str, str]:
    """File name → text, for every component and for the index."""
    texts = {f"{name}.md": _page(name, component) for name, component in COMPONENTS.items()}
    lines = ["# Components", "", _NOTE, "", "| component | does |", "| --- | --- |"]
    lines += [
        f"| [{name}]({name}.md) | {docstring_parser.parse(component.python_func.__doc__).short_description} |"
        for name, component in COMPONENTS.items()
    ]
    return {"README.md": "\n".join(lines) + "\n", **texts}


def _page(name: str, component: Any) -> str:
    spec = component.component_spec
    written = docstring_parser.parse(component.python_func.__doc__)
    meanings = {param.arg_name: _one_line(param.description) for param in written.params}
    inputs, outputs = spec.inputs or {}, spec.outputs or {}
    lines = [f"# {name}", "", _NOTE, "", f"{written.short_description}", ""]
    if written.long_description:
        lines += [_one_line(written.long_description), ""]
    lines += [f"Image: `{_role(spec.implementation.container.image)}`", ""]
    for title, entries, artifacts in (
        ("Input parameters", inputs, False),
        ("Input artifacts", inputs, True),
        ("Output artifacts", outputs, True),
        ("Output parameters", outputs, False),
    ):
        chosen = {key: value for key, value in entries.items() if ("@" in value.type) is artifacts}
        if chosen:
            said = written.returns.description if written.returns and title == "Output parameters" else None
            lines += _table(title, chosen, meanings, said)
    return "\n".join(lines).rstrip() + "\n"


def _table(title: str, entries: dict[str, Any], meanings: dict[str, str], together: str | None) -> list[str]:
    """`together`: what is said of all entries at once, in place of a meaning for each."""
    lines = [f"## {title}", ""]
    if together:
        names = ", ".join(f"`{name}`" for name in entries)
        return [*lines, f"{_one_line(together)}", "", f"{names} (all {_kinds(entries)})", ""]
    lines += ["| name | type | meaning |", "| --- | --- | --- |"]
    for name, entry in entries.items():
        optional = " (optional)" if getattr(entry, "optional", False) else ""
        lines.append(f"| `{name}` | {entry.type.partition('@')[0]}{optional} | {meanings.get(name, '')} |")
    return [*lines, ""]


def _kinds(entries: dict[str, Any]) -> str:
    return " or ".join(sorted({entry.type for entry in entries.values()}))


def _role(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0]


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    FOLDER.mkdir(exist_ok=True)
    wanted = pages()
    wrong = [
        name
        for name, text in wanted.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != text
    ]
    left = [file.name for file in FOLDER.glob("*.md") if file.name not in wanted]
    if check:
        for name in [*wrong, *left]:
            print(f"components/docs/{name} is not what the code says: run `make docs`", file=sys.stderr)
        return 1 if wrong or left else 0
    for name in wrong:
        (FOLDER / name).write_text(wanted[name], encoding="utf-8")
    for name in left:
        (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
