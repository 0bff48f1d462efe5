"""The report's files: a page, Markdown, the cards of model and data, and machine-readable scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from gukbap.files import write_json, write_text
from gukbap.schemas import Judgement
from gukbap.stages.report.baselines import Baseline
from gukbap.stages.report.card import front_matter, prompt_values, training_values
from gukbap.stages.report.choice import choice_values
from gukbap.stages.report.evaluation import Evaluation, answer_values, evaluate, judge_totals, score_values
from gukbap.stages.report.facts import RunFacts
from gukbap.stages.report.funnel import funnel, operation_counts
from gukbap.stages.report.history import Series, loss_series
from gukbap.stages.report.markup import rendered

SCRIPTED_BANNER = "This run used a scripted teacher and judge. No number here is a result."
TEACHER_BANNER = "The judge is also the teacher: scores compare only with each other."


def report(
    facts: RunFacts, judgements: Sequence[Judgement], output: Path, baselines: Sequence[Baseline] = ()
) -> None:
    """Write `report.html`, `report.md`, `model_card.md`, `data_card.md` and `scores.json` into a folder.

    Equal input gives equal bytes: no times, no paths, no machine. No judgement at all is allowed;
    the tables are then left out.

    Raises:
        InputError: a turn is judged twice, or one row would mix two judges.
    """
    evaluation = evaluate(facts, judgements, baselines)
    values = {**_values(facts, evaluation), **answer_values(facts, evaluation)}
    values["plots"] = _plots(facts, evaluation, values["losses"])
    for name in ("report.html", "report.md"):
        write_text(output / name, rendered(name, values))
    write_text(output / "model_card.md", _card(facts, evaluation))
    write_text(output / "data_card.md", rendered("data_card.md", {**values, "front_matter": _data_front()}))
    write_json(output / "scores.json", scores_document(facts, evaluation))


def model_card(facts: RunFacts, judgements: Sequence[Judgement], baselines: Sequence[Baseline] = ()) -> str:
    """The model card as the Hugging Face hub reads it: YAML metadata, then Markdown.

    Raises:
        InputError: as `report`.
    """
    return _card(facts, evaluate(facts, judgements, baselines))


def scores_document(facts: RunFacts, evaluation: Evaluation) -> dict[str, Any]:
    """The content of `scores.json`; under `scores` and `difference` stand the flat numbers for a tracker."""
    scores: dict[str, Any] = {}
    for row in evaluation.table.rows:
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
        "difference": {one.strategy: one.difference for one in evaluation.differences},
        "judging": judge_totals(evaluation.judgements),
        "table": evaluation.table.model_dump(mode="json"),
        "differences": [
            {**one.model_dump(mode="json"), "significant": one.significant} for one in evaluation.differences
        ],
        "baselines": evaluation.others.model_dump(mode="json"),
        "against_baselines": [one.model_dump(mode="json") for one in evaluation.against_others],
    }


def banners(facts: RunFacts) -> list[str]:
    """What a reader must know before any number."""
    return [
        text
        for text, holds in ((SCRIPTED_BANNER, facts.scripted), (TEACHER_BANNER, facts.judge_is_teacher))
        if holds
    ]


def _card(facts: RunFacts, evaluation: Evaluation) -> str:
    front = yaml.safe_dump(front_matter(facts, evaluation.table), allow_unicode=True, sort_keys=False)
    values = {**_values(facts, evaluation), **prompt_values(facts), **training_values(facts)}
    return rendered("model_card.md", {**values, "front_matter": front})


def _data_front() -> str:
    front = {
        "language": ["ko"],
        "task_categories": ["text-generation"],
        "tags": ["gukbap", "korean", "evol-instruct", "synthetic"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "train.jsonl"},
                    {"split": "validation", "path": "validation.jsonl"},
                ],
            }
        ],
    }
    return yaml.safe_dump(front, allow_unicode=True, sort_keys=False)


def _values(facts: RunFacts, evaluation: Evaluation) -> dict[str, Any]:
    """What more than one of the files says."""
    return {
        "facts": facts,
        "banners": banners(facts),
        **score_values(facts, evaluation),
        **choice_values(facts),
        "funnel": funnel(facts),
        "statement": (facts.clean or {}).get("statement"),
        "grown": (facts.dedup or {}).get("data"),
        "operations": operation_counts(facts),
        "losses": loss_series(facts.train),
        "split": _counts(facts.split),
        "train": _counts(facts.train),
        "steps": _step_counts(facts),
        "judging": [
            (key.replace("_", " "), f"{value:.4g}" if key == "cost" else f"{value:.0f}")
            for key, value in judge_totals(evaluation.judgements).items()
        ],
        "recipe_yaml": yaml.safe_dump(facts.recipe, allow_unicode=True, sort_keys=False).rstrip(),
    }


def _plots(facts: RunFacts, evaluation: Evaluation, losses: Sequence[Series]) -> dict[str, Any] | None:
    """SVG elements by name; None where matplotlib is not installed, which the page then says."""
    try:
        from gukbap.stages.report import plots, score_plots

        rows = [*evaluation.table.rows, *evaluation.others.rows]
        scored = [row for row in rows if row.overall is not None]
        around = score_plots.radar_rows(rows, facts.deciding_strategy)
        return {
            # Our own drawing of escaped labels: the one text that is not escaped again.
            "loss": Markup(plots.loss_svg(losses)) if losses else None,  # noqa: S704
            "funnel": Markup(plots.funnel_svg(steps)) if (steps := funnel(facts)) else None,  # noqa: S704
            "radar": Markup(score_plots.radar_svg(around)) if around else None,  # noqa: S704
            "radar_rows": around,
            "forest": Markup(score_plots.forest_svg(scored)) if scored else None,  # noqa: S704
            "scores": {
                strategy: Markup(score_plots.scores_svg(evaluation.table, strategy))  # noqa: S704
                for strategy in score_plots.judged_strategies(evaluation.table)
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
    """The single numbers of every infer and judge step, with those of its time, each step on one line."""
    return [
        (
            f"{stage} {step}",
            ", ".join(f"{key} {value}" for key, value in _counts({**values, **values.get("timing", {})})),
        )
        for stage, found in (("infer", facts.infer), ("judge", facts.judge))
        for step, values in sorted(found.items())
    ]
