"""Guard rails: what must hold of a model whose scores would promote it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from gukbap.config import PromoteConfig
from gukbap.language import audit
from gukbap.schemas import Judgement
from gukbap.stages.promote.evidence import RunEvidence
from gukbap.stages.promote.records import Check
from gukbap.stages.scores import Comparison
from gukbap.stages.scores.resampling import RESAMPLES, Floats, interval


def guard_rails(
    config: PromoteConfig,
    tuned: Sequence[Judgement],
    other: Sequence[Judgement],
    comparison: Comparison | None,
    evidence: RunEvidence,
    seed: int,
) -> list[Check]:
    """Every guard rail, whether it holds or not.

    Args:
        config: the limits.
        tuned: judgements of the tuned student under the strategy that decides.
        other: those of the champion or the base under the same.
        comparison: tuned minus other; None where they were not compared.
        evidence: what the run knows of itself.
        seed: of the resampling.
    """
    return [
        *_language(config, tuned, other, seed),
        _categories(comparison),
        _contamination(evidence),
        _validation_loss(evidence),
        _licences(evidence),
    ]


def _language(
    config: PromoteConfig, tuned: Sequence[Judgement], other: Sequence[Judgement], seed: int
) -> Iterator[Check]:
    """The share of answers in the benchmark's language, by itself and against the other model's.

    A fixed allowance for a drop would fail models that are alike: with 84 answers, shares of 95 % differ
    by 3 points by chance. So a drop counts when its interval over questions lies below zero.
    """
    ours, theirs = _compliance(tuned), _compliance(other)
    if not ours:
        yield Check(name="language compliance", verdict="not known", detail="no answer of the tuned student")
        return
    share = float(np.mean(list(ours.values())))
    yield Check(
        name="language compliance",
        verdict="passed" if share >= config.min_language_compliance else "failed",
        value=share,
        limit=config.min_language_compliance,
        detail=f"{share:.1%} of the answers keep to the language; {config.min_language_compliance:.1%} "
        "are asked for",
    )
    drop = _grid(ours, theirs)
    found = interval(drop, seed, RESAMPLES) if len(drop) else None
    if found is None:
        yield Check(name="language drop", verdict="not known", detail="too few questions answered by both")
        return
    yield Check(
        name="language drop",
        verdict="failed" if found.high < 0 else "passed",
        value=float(np.nanmean(drop)),
        limit=0.0,
        detail=f"{np.nanmean(drop):+.1%} of the answers, interval [{found.low:+.1%}, {found.high:+.1%}]",
    )


def _compliance(judgements: Sequence[Judgement]) -> dict[tuple[int, int], float]:
    """Question and turn → 1 where the answer keeps to the language; each answer once."""
    answers = {one.slot: one for one in judgements}
    return {slot: float(audit(one.question, one.answer).complies) for slot, one in answers.items()}


def _grid(ours: dict[tuple[int, int], float], theirs: dict[tuple[int, int], float]) -> Floats:
    """Differences of the slots that both have, [questions, 2 turns], NaN where there is none."""
    questions = sorted({question for question, _ in ours.keys() & theirs.keys()})
    cells = [[ours.get((q, t), math.nan) - theirs.get((q, t), math.nan) for t in (1, 2)] for q in questions]
    return np.array(cells).reshape(-1, 2)


def _categories(comparison: Comparison | None) -> Check:
    if comparison is None or not comparison.categories:
        return Check(name="categories", verdict="not known", detail="no category was compared")
    worst = min(comparison.categories.items(), key=lambda item: item[1].difference or 0.0)
    worse = [name for name, one in comparison.categories.items() if one.verdict == "worse"]
    name, one = worst
    count = len(comparison.categories)
    return Check(
        name="categories",
        verdict="failed" if worse else "passed",
        value=one.difference,
        limit=0.0,
        detail=(
            f"significantly worse in {', '.join(worse)}"
            if worse
            else f"none of {count} is significantly worse"
        )
        + f"; the lowest difference is {name} {one.difference:+.2f} (p {one.adjusted_p:.3f}, corrected for "
        f"{count} looks)",
    )


def _contamination(evidence: RunEvidence) -> Check:
    """What the cleaning step found it took out, so a search that was made leaves nothing that it can see."""
    found = evidence.cleaning or {}
    texts, leaks = found.get("evaluation_texts"), found.get("leaks")
    if not texts or leaks is None:
        return Check(
            name="contamination",
            verdict="not known",
            detail="the training rows were not searched for evaluation texts",
        )
    return Check(
        name="contamination",
        verdict="passed",
        value=float(leaks),
        detail=f"{leaks} of {found.get('rows')} rows held one of {texts} evaluation texts and were taken out",
    )


def _validation_loss(evidence: RunEvidence) -> Check:
    loss, base = evidence.validation_loss, evidence.base_validation_loss
    if loss is None:
        return Check(name="validation loss", verdict="not known", detail="the run states no validation loss")
    if not math.isfinite(loss):
        return Check(
            name="validation loss", verdict="failed", detail="the validation loss is no finite number"
        )
    if base is None:
        return Check(
            name="validation loss", verdict="not known", value=loss, detail="the base's loss is not stated"
        )
    return Check(
        name="validation loss",
        verdict="passed" if loss <= base else "failed",
        value=loss,
        limit=base,
        detail=f"{loss:.4f} after training, {base:.4f} before",
    )


def _licences(evidence: RunEvidence) -> Check:
    found = evidence.licences
    if found is None or not found.rows:
        return Check(name="licences", verdict="not known", detail="who wrote the training rows is not stated")
    share = found.licensed / found.rows
    return Check(
        name="licences",
        verdict="passed" if found.licensed == found.rows else "failed",
        value=share,
        limit=1.0,
        detail=f"{found.licensed} of {found.rows} training rows come from open models under a stated licence"
        + (f": {'; '.join(found.problems)}" if found.problems else ""),
    )
