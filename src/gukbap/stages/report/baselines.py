"""Judged answers of other models, shown beside the run's own."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gukbap.benchmarks.evaluated import UNKNOWN_JUDGE
from gukbap.benchmarks.judged import read_judged
from gukbap.config import PUBLISHED, BaselineConfig
from gukbap.errors import InputError
from gukbap.schemas import CATEGORIES, SUBJECTS, Judgement
from gukbap.stages.report.tables import category_label
from gukbap.stages.scores import Comparison, ScoreRow, ScoreTable, compare, score_table

#: a published score has two decimals: so far it may be from what it was rounded or cut off from
_HUNDREDTH = 0.01


@dataclass(frozen=True)
class Baseline:
    """Judgements that were read from elsewhere, and what was published about them."""

    judgements: list[Judgement]
    #: column (PUBLISHED) → score
    published: Mapping[str, float] = field(default_factory=dict)


def read_baseline(config: BaselineConfig, path: Path) -> Baseline:
    """The judgements of a baseline's file.

    Args:
        config: what it is called, and what was published.
        path: the local file or folder of it.

    Raises:
        InputError: there is no judged file, it is malformed or lacks questions, or one name or one
            strategy is given to several.
    """
    judgements = read_judged([path]).judgements
    changes: dict[str, str] = {}
    for key, wanted in (("subject", config.name), ("strategy", config.strategy)):
        found = {str(getattr(judgement, key)) for judgement in judgements}
        if wanted is not None and len(found) > 1:
            raise InputError(
                f"{path} holds {', '.join(sorted(found))}, which cannot all be called {wanted!r}",
                expected="one model under one strategy where a baseline is renamed",
                fix="name each file by itself under report.baselines",
            )
        if wanted is not None:
            changes[key] = wanted
    named = [_renamed(judgement, path, changes) for judgement in judgements]
    groups = {(judgement.subject, judgement.strategy) for judgement in named}
    if config.published and len(groups) > 1:
        raise InputError(
            f"published scores are given for {path}, which holds {len(groups)} models and strategies",
            expected="one model under one strategy where published scores are given",
        )
    return Baseline(named, config.published)


def _renamed(judgement: Judgement, path: Path, changes: Mapping[str, str]) -> Judgement:
    if "subject" not in changes and judgement.subject in SUBJECTS:
        # Another run of this project: its "base" and "tuned" are not this run's.
        run = path.resolve() if path.is_dir() else path.resolve().parent
        name = run.parent.name if run.name == "judgements" else run.name
        return judgement.model_copy(update={**changes, "subject": f"{name} {judgement.subject}"})
    return judgement.model_copy(update=changes) if changes else judgement


def baseline_table(baselines: Sequence[Baseline], *, seed: int) -> ScoreTable:
    """The score table of all baselines.

    Raises:
        InputError: two baselines hold the same model and strategy.
    """
    return score_table([one for baseline in baselines for one in baseline.judgements], seed=seed)


def published_remarks(baselines: Sequence[Baseline], table: ScoreTable) -> list[str]:
    """Where a published score and the judgements behind it disagree, a sentence each."""
    return [
        f"{row.subject} {row.strategy}: {sentence}"
        for baseline in baselines
        if baseline.published and (row := table.row(*_group(baseline)))
        for sentence in _disagreements(baseline.published, row)
    ]


def _group(baseline: Baseline) -> tuple[str, str]:
    return baseline.judgements[0].subject, baseline.judgements[0].strategy


def _disagreements(published: Mapping[str, float], row: ScoreRow) -> Iterator[str]:
    for column in PUBLISHED:
        if column in published and (value := score_of(row, column)) is not None:
            stated, rounded, cut = f"{published[column]:.2f}", f"{value:.2f}", f"{truncated(value):.2f}"
            if stated == cut != rounded:
                yield (
                    f"the published {column} of {stated} is cut off; its judgements give {value:.4f}, "
                    f"rounded {rounded}"
                )
            elif stated != rounded:
                yield (
                    f"the published {column} is {stated}, its judgements give {value:.4f} "
                    f"(rounded {rounded}, cut off {cut})"
                )
    if all(column in published for column in ("single", "multi", "overall")):
        mean = (published["single"] + published["multi"]) / 2
        if abs(mean - published["overall"]) >= _HUNDREDTH:
            yield (
                f"the published overall of {published['overall']:.2f} is not the mean of the published "
                f"single, {published['single']:.2f}, and multi, {published['multi']:.2f}: that is {mean:.3f}"
            )


def score_of(row: ScoreRow, column: str) -> float | None:
    """A row's score in a column of PUBLISHED."""
    by_column = {
        **{category_label(category): row.categories.get(category) for category in CATEGORIES},
        "single": row.single,
        "multi": row.multi,
        "overall": row.overall,
    }
    return by_column[column]


def truncated(value: float) -> float:
    """Cut off after two decimals; a sum that is a hair below a hundredth counts as that hundredth."""
    return math.floor(value * 100 + 1e-9) / 100


def comparisons(tuned: Sequence[Judgement], baselines: Sequence[Baseline], *, seed: int) -> list[Comparison]:
    """Tuned against each baseline of the same strategy, judge and questions."""
    found = []
    for baseline in baselines:
        for name in dict.fromkeys(one.subject for one in baseline.judgements):
            for strategy in dict.fromkeys(one.strategy for one in tuned):
                ours = [one for one in tuned if one.strategy == strategy]
                theirs = [
                    one
                    for one in baseline.judgements
                    if (one.subject, one.strategy, one.judge) == (name, strategy, ours[0].judge)
                ]
                if theirs and theirs[0].judge != UNKNOWN_JUDGE and same_questions(ours, theirs):
                    found.append(compare(ours, theirs, seed=seed))
    return found


def same_questions(a: Sequence[Judgement], b: Sequence[Judgement]) -> bool:
    """Whether both were asked at least one question, and none with the same number but other words."""
    asked = {one.slot: one.question for one in a}
    shared = [(asked[one.slot], one.question) for one in b if one.slot in asked]
    return bool(shared) and all(left == right for left, right in shared)


def other_questions(own: Sequence[Judgement], baselines: Sequence[Baseline]) -> list[str]:
    """The baselines that were asked other questions than the run's own subjects."""
    if not own:
        return []
    named = {
        one.subject: [other for other in baseline.judgements if other.subject == one.subject]
        for baseline in baselines
        for one in baseline.judgements
    }
    return sorted(name for name, judgements in named.items() if not same_questions(own, judgements))
