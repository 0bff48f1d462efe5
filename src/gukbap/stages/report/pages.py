"""The report's files: a page, Markdown, a thin model card and machine-readable scores."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from gukbap.files import write_json, write_text
from gukbap.schemas import Judgement
from gukbap.stages.report.facts import RunFacts
from gukbap.stages.report.funnel import funnel, operation_counts
from gukbap.stages.report.history import Series, loss_series
from gukbap.stages.report.tables import (
    category_label,
    difference_sentence,
    interval_text,
    percent,
    points,
    score_rows,
    signed,
)
from gukbap.stages.scores import Comparison, ScoreTable, paired_difference, score_table

SCRIPTED_BANNER = "This run used a scripted teacher and judge. No number here is a result."
TEACHER_BANNER = "The judge is also the teacher: scores compare only with each other."
#: characters of a sample text that are shown
_SHOWN_CHARS = 1500


def report(facts: RunFacts, judgements: Sequence[Judgement], output: Path) -> None:
    """Write `report.html`, `report.md`, `model_card.md` and `scores.json` into a folder.

    Equal input gives equal bytes: no times, no paths, no machine. No judgement at all is allowed;
    the tables are then left out.

    Raises:
        InputError: a turn is judged twice, or one row would mix two judges.
    """
    table = score_table(judgements, seed=facts.seed)
    differences = paired_difference(
        [judgement for judgement in judgements if judgement.subject == "tuned"],
        [judgement for judgement in judgements if judgement.subject == "base"],
        seed=facts.seed,
    )
    values = _values(facts, judgements, table, differences)
    values["plots"] = _plots(facts, table, values["losses"])
    for name in ("report.html", "report.md", "model_card.md"):
        write_text(output / name, _environment(name).get_template(f"{name}.j2").render(values))
    write_json(output / "scores.json", scores_document(facts, table, differences))


def scores_document(facts: RunFacts, table: ScoreTable, differences: Sequence[Comparison]) -> dict[str, Any]:
    """The content of `scores.json`; under `scores` and `difference` stand the flat numbers for a tracker."""
    scores: dict[str, Any] = {}
    for row in table.rows:
        scores.setdefault(row.subject, {})[row.strategy] = {
            "overall": row.overall,
            "single": row.single,
            "multi": row.multi,
            "coverage": row.coverage,
        }
    return {
        "recipe": {"name": facts.name, "hash": facts.recipe_hash},
        "package_version": facts.package_version,
        "scripted": facts.scripted,
        "judge_is_teacher": facts.judge_is_teacher,
        "scores": scores,
        "difference": {one.strategy: one.difference for one in differences},
        "table": table.model_dump(mode="json"),
        "differences": [
            {**one.model_dump(mode="json"), "significant": one.significant} for one in differences
        ],
    }


def _values(
    facts: RunFacts,
    judgements: Sequence[Judgement],
    table: ScoreTable,
    differences: Sequence[Comparison],
) -> dict[str, Any]:
    reasons: dict[str, int] = {}
    for judgement in judgements:
        if judgement.unscored_reason:
            reasons[judgement.unscored_reason] = reasons.get(judgement.unscored_reason, 0) + 1
    return {
        "facts": facts,
        "banners": banners(facts),
        "table": table,
        "score_rows": score_rows(table),
        "differences": [difference_sentence(one) for one in differences],
        "questions": max((row.questions for row in table.rows), default=0),
        "unscored": dict(sorted(reasons.items())),
        "judges": sorted({row.judge for row in table.rows}),
        "funnel": funnel(facts),
        "operations": operation_counts(facts),
        "losses": loss_series(facts.train),
        "split": _counts(facts.split),
        "train": _counts(facts.train),
        "steps": _step_counts(facts),
        "recipe_yaml": yaml.safe_dump(facts.recipe, allow_unicode=True, sort_keys=False),
        "front_matter": yaml.safe_dump(_front_matter(facts), allow_unicode=True, sort_keys=False),
    }


def banners(facts: RunFacts) -> list[str]:
    """What a reader must know before any number."""
    return [
        text
        for text, holds in ((SCRIPTED_BANNER, facts.scripted), (TEACHER_BANNER, facts.judge_is_teacher))
        if holds
    ]


def _plots(facts: RunFacts, table: ScoreTable, losses: Sequence[Series]) -> dict[str, Any] | None:
    """SVG elements by name; None where matplotlib is not installed, which the page then says."""
    try:
        from gukbap.stages.report import plots

        return {
            # Our own drawing of escaped labels: the one text that is not escaped again.
            "loss": Markup(plots.loss_svg(losses)) if losses else None,  # noqa: S704
            "funnel": Markup(plots.funnel_svg(steps)) if (steps := funnel(facts)) else None,  # noqa: S704
            "scores": {
                strategy: Markup(plots.scores_svg(table, strategy))  # noqa: S704
                for strategy in plots.judged_strategies(table)
            },
        }
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        return None


def _counts(values: dict[str, Any] | None) -> list[tuple[str, str]]:
    """The single numbers and words of a stage's statistics, for a list of facts."""
    shown = []
    for key, value in (values or {}).items():
        if isinstance(value, int | str):
            shown.append((key.replace("_", " "), str(value)))
        elif isinstance(value, float):
            shown.append((key.replace("_", " "), f"{value:.4g}"))
    return shown


def _step_counts(facts: RunFacts) -> list[tuple[str, str]]:
    """The single numbers of every infer and judge step, each step on one line."""
    return [
        (f"{stage} {step}", ", ".join(f"{key} {value}" for key, value in _counts(values)))
        for stage, found in (("infer", facts.infer), ("judge", facts.judge))
        for step, values in sorted(found.items())
    ]


def _front_matter(facts: RunFacts) -> dict[str, Any]:
    """What Hugging Face reads of a model card, as far as the run knows it."""
    front: dict[str, Any] = {"language": ["ko"], "tags": ["gukbap"]}
    student = str(facts.recipe.get("student", {}).get("model", ""))
    if student.startswith("hf://"):
        front["base_model"] = student.removeprefix("hf://").split("@")[0]
    return front


def _environment(name: str) -> Environment:
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
        shown=_shown,
        fenced=_fenced,
        cell=_cell,
    )
    return environment


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]} […]"


def _fenced(text: str) -> str:
    """A Markdown code block that its content cannot leave."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return re.sub(r"([\\|<>`*_\[\]])", r"\\\1", " ".join(str(text).split()))
