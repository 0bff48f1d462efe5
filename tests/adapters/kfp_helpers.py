"""A small compiled pipeline, recipes with schedules, and connections for the tests of the KFP adapter.

(No postponed annotations in this file: KFP reads them as values.)
"""

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from gukbap.adapters.kfp.connection import Connection
from gukbap.adapters.kfp.registration import Package
from gukbap.config import Recipe
from gukbap.recipes import load_recipe

CRON = "0 0 18 * * 0"


class SaidProgress:
    """Progress that remembers its lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def bar(self, label: str, total: int | None, done: int = 0) -> Any:
        """Not used here."""
        raise AssertionError("following a run shows no bar")

    def say(self, line: str) -> None:
        """Remember a line."""
        self.lines.append(line)


def recipe(*overrides: str, cron: str | None = CRON) -> Recipe:
    """The smoke recipe, with a schedule."""
    schedule = [f'schedule={{"cron": "{cron}"}}'] if cron else []
    return load_recipe("smoke", (*schedule, *overrides))


@cache
def _compiled(text: str, freshness: bool) -> str:
    from kfp import compiler, dsl

    @dsl.component(base_image="python:3.11")
    def work(said: str, count: int, share: float, sure: bool, rows: list, facts: dict) -> None:  # type: ignore[type-arg]  # KFP knows plain ones
        """Do nothing."""

    if freshness:

        @dsl.pipeline(name="gukbap-smoke", description=text)
        def fresh(
            freshness: str = "",
            said: str = "a",
            count: int = 1,
            share: float = 0.5,
            sure: bool = False,
            rows: list = [],  # type: ignore[type-arg]  # noqa: B006 - kfp reads the default's value
            facts: dict = {},  # type: ignore[type-arg]  # noqa: B006 - as above
        ) -> None:
            task = work(said=said, count=count, share=share, sure=sure, rows=rows, facts=facts)
            task.set_display_name("judge-tuned-1-shot")
            other = work(said=freshness, count=count, share=share, sure=sure, rows=rows, facts=facts)
            other.set_display_name("train")

        pipeline = fresh
    else:

        @dsl.pipeline(name="gukbap-smoke", description=text)
        def plain(said: str) -> None:
            work(said=said, count=1, share=0.5, sure=True, rows=[], facts={})

        pipeline = plain
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pipeline.yaml"
        compiler.Compiler().compile(pipeline, str(file))
        return file.read_text()


def package(folder: Path, text: str = "first", *, freshness: bool = True) -> Package:
    """A compiled pipeline; another text makes another content. Its tasks: work-2 is shown as train."""
    file = folder / f"{text}-{freshness}.yaml"
    file.write_text(_compiled(text, freshness))
    return Package.read(file)


def connection_to(url: str) -> Connection:
    """A connection without a token."""
    from gukbap.adapters.kfp.connection import connect

    return connect(url)


def changes_of(changes: Any) -> Mapping[str, str]:
    """Object → what was done to it."""
    return {change.object: change.change for change in changes}
