"""What a report says about scores: tables, sentences and notes, ready for any template."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gukbap.schemas import SUBJECTS, Judgement
from gukbap.stages.report import findings, tables
from gukbap.stages.report.baselines import (
    Baseline,
    baseline_table,
    comparisons,
    other_questions,
    published_remarks,
)
from gukbap.stages.report.facts import RunFacts
from gukbap.stages.scores import Comparison, ScoreTable, paired_difference, remarks, score_table

#: what the judge's calls came to, as far as every judgement tells it
_SPENT = ("calls", "prompt_tokens", "completion_tokens", "cost")


@dataclass(frozen=True)
class Evaluation:
    """The scores of a run and of its baselines, computed once for all files of a report."""

    judgements: Sequence[Judgement]
    baselines: Sequence[Baseline]
    #: of the run's own subjects, and of the baselines
    table: ScoreTable
    others: ScoreTable
    #: tuned minus base by strategy, and tuned minus baselines
    differences: list[Comparison]
    against_others: list[Comparison]

    @property
    def tuned(self) -> list[Judgement]:
        """The judgements of the tuned student."""
        return [one for one in self.judgements if one.subject == SUBJECTS[1]]

    @property
    def base(self) -> list[Judgement]:
        """The judgements of the student before training."""
        return [one for one in self.judgements if one.subject == SUBJECTS[0]]


def evaluate(facts: RunFacts, judgements: Sequence[Judgement], baselines: Sequence[Baseline]) -> Evaluation:
    """Score and compare.

    Raises:
        InputError: a turn is judged twice, or one row would mix two judges.
    """
    tuned = [one for one in judgements if one.subject == SUBJECTS[1]]
    base = [one for one in judgements if one.subject == SUBJECTS[0]]
    return Evaluation(
        judgements=judgements,
        baselines=baselines,
        table=score_table(judgements, seed=facts.seed),
        others=baseline_table(baselines, seed=facts.seed),
        differences=paired_difference(tuned, base, seed=facts.seed),
        against_others=comparisons(tuned, baselines, seed=facts.seed),
    )


def score_values(facts: RunFacts, evaluation: Evaluation) -> dict[str, Any]:
    """What the templates of the score sections read."""
    table, others = evaluation.table, evaluation.others
    judges = sorted({row.judge for row in table.rows})
    return {
        "table": table,
        "others": others,
        "score_rows": _joined(tables.score_rows, table, others),
        "interval_rows": _joined(tables.interval_rows, table, others),
        "differences": _difference_sentences(evaluation),
        "category_sentences": [
            sentence
            for one in evaluation.differences
            if (sentence := tables.category_sentence(one)) is not None
        ],
        "notes": [
            *remarks(table),
            *tables.spread_sentences(table),
            *remarks(others),
            *published_remarks(evaluation.baselines, others),
            *(
                f"{name} was asked other questions: its row does not compare with this run's."
                for name in other_questions(evaluation.judgements, evaluation.baselines)
            ),
        ],
        "protocol": protocol_notes(facts, evaluation.judgements),
        "questions": max((row.questions for row in table.rows), default=0),
        "unscored": _unscored(evaluation.judgements),
        "judges": judges,
    }


def answer_values(facts: RunFacts, evaluation: Evaluation) -> dict[str, Any]:
    """What the templates of the sections on single answers read."""
    language = findings.against_language(evaluation.judgements)
    wavering = findings.wavering(evaluation.judgements)
    tuned, base = (
        [one for one in group if one.strategy == facts.deciding_strategy]
        for group in (evaluation.tuned, evaluation.base)
    )
    return {
        "language_findings": language[: findings.LISTED],
        "language_count": len(language),
        "language_rows": findings.counted(language),
        "wavering": wavering[: findings.LISTED],
        "wavering_count": len(wavering),
        "flips": findings.flips(tuned, base),
        "examples": findings.examples(tuned or base),
    }


def judge_totals(judgements: Sequence[Judgement]) -> dict[str, float]:
    """Calls, tokens and cost of all judgements; what one of them does not tell is left out."""
    totals = {}
    for key in _SPENT:
        values = [getattr(one, key) for one in judgements]
        if values and None not in values:
            totals[key] = math.fsum(values)
    return totals


def protocol_notes(facts: RunFacts, judgements: Sequence[Judgement] = ()) -> list[str]:
    """Where this evaluation was not LogicKor's, a sentence each; none where it was in everything known."""
    notes = [f"{text}." for text in facts.deviations]
    if facts.questions is None:
        notes.append("Which questions were asked is not recorded.")
    elif not facts.questions.logickor:
        notes.append(
            f"The questions are those of {facts.questions.identity.name} and the judge has this project's "
            "rubric: the scores do not compare with any table of LogicKor."
        )
    notes += _weakness_notes(facts.recipe["generate"])
    samples = max((one.sample for one in judgements), default=1)
    if samples > 1:
        notes.append(
            f"Each turn was judged {samples} times and its score is their mean; LogicKor judges once."
        )
    most = facts.recipe["judge"]["max_answer_chars"]
    cut = len({(one.subject, one.strategy, one.slot) for one in judgements if len(one.answer) > most})
    if cut:
        notes.append(f"{cut} answers were over {most} characters and were shown to the judge up to there.")
    return notes


def _weakness_notes(generate: Mapping[str, Any]) -> list[str]:
    """Whether scores chose the data; of the test itself, a reader must know it."""
    weakness = generate["weakness"]
    if not weakness["settled_by"] or not (generate["category_weights"] or generate["category_rounds"]):
        return []
    notes = [f"Which categories got more of the training data was chosen by {weakness['settled_by']}."]
    if weakness["judgements"] is None:
        notes.append(
            "The questions that decide thus had a say in the data, though no text of theirs is in it: scores "
            "on questions that had none may be lower."
        )
    return notes


def _joined(make: Any, table: ScoreTable, others: ScoreTable) -> tables.TextTable:
    own = make(table)
    return tables.TextTable(own.header, [*own.rows, *tables.marked(make(others), others).rows])


def _difference_sentences(evaluation: Evaluation) -> list[str]:
    return [
        *map(tables.difference_sentence, evaluation.differences),
        *(
            tables.difference_sentence(one, SUBJECTS[1], one.b.removesuffix(f" {one.strategy}"))
            for one in evaluation.against_others
        ),
    ]


def _unscored(judgements: Sequence[Judgement]) -> dict[str, int]:
    reasons: dict[str, int] = {}
    for one in judgements:
        if one.unscored_reason:
            reasons[one.unscored_reason] = reasons.get(one.unscored_reason, 0) + 1
    return dict(sorted(reasons.items()))
