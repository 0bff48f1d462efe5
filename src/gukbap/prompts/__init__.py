"""The Korean prompts of this project: one text file each, filled by name.

A prompt file is a `string.Template`: `${instruction}` is a placeholder, `$$` a dollar sign.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from string import Template

from gukbap.files import nfc

__all__ = ["placeholders", "prompt"]


def prompt(name: str, **values: str) -> str:
    """The prompt file `name` ("evolve/system" is evolve/system.txt) with its placeholders filled.

    The file's last newline is not part of the prompt; the values are put in as they are, so a value
    that holds a `$` or a placeholder is safe. The result is in Unicode normal form C.

    Raises:
        LookupError: there is no such prompt.
        TypeError: a placeholder has no value, or a value has no placeholder.
    """
    template = _template(name)
    wanted = set(template.get_identifiers())
    if wanted != values.keys():
        raise TypeError(
            f"prompt {name!r} takes {sorted(wanted)}: missing {sorted(wanted - values.keys())}, "
            f"unknown {sorted(values.keys() - wanted)}"
        )
    return nfc(template.substitute(values))


def placeholders(name: str) -> frozenset[str]:
    """The names of a prompt's placeholders."""
    return frozenset(_template(name).get_identifiers())


@cache
def _template(name: str) -> Template:
    file = resources.files(__name__).joinpath(f"{name}.txt")
    if not file.is_file():
        raise LookupError(f"there is no prompt {name!r}")
    template = Template(file.read_text("utf-8").removesuffix("\n"))
    if not template.is_valid():
        raise LookupError(f"prompt {name!r} holds a stray '$'; a dollar sign is written '$$'")
    return template
